package customer

import (
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
)

// ownPages are the pages that a customer can be brought back to after a log-in.
var ownPages = []string{"/security", transactionsPage, passkeysPage, passkeysPage + "/add", "/history", "/password", noticesPage, addressPage, haltPage, "/token/apply", "/token/address", "/token/key", "/token/start", "/token/stop", "/token/cancel"}

// next is where the customer was going before she had to log in, or "".
func next(r *http.Request) string { return safe(r.URL.Query().Get("next")) }

// safe gives an address back only if it is on this host and a place that a log-in may lead to: a page of ours, or the door of OpenID Connect. A page that
// sends customers anywhere else after they typed a password would be a gift to forgers.
func safe(to string) string {
	to = local(to)
	p, _, _ := strings.Cut(to, "?")
	for _, door := range []string{"/authorize", "/oidc/authorize", "/oidc/logout"} {
		if p == door || strings.HasPrefix(p, door+"/") {
			return to
		}
	}
	if slices.Contains(ownPages, p) {
		return to
	}
	return ""
}

// local gives back an address without scheme, host, fragment, backslash, control character or path that means another one.
func local(to string) string {
	if len(to) > 2048 || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsFunc(to, func(c rune) bool { return c <= ' ' || c == '\\' || c >= 0x7f }) {
		return ""
	}
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" || u.RawPath != "" || path.Clean(u.Path) != u.Path || strings.Contains(u.Path, "%") {
		return ""
	}
	if strings.ContainsFunc(u.Path, func(c rune) bool { return c <= ' ' || c == '\\' || c >= 0x7f }) {
		return ""
	}
	u.Fragment, u.RawFragment = "", ""
	return u.String()
}

// withNext adds where the customer was going to the address of a page of ours.
func withNext(page, to string) string {
	if to == "" {
		return page
	}
	sep := "?"
	if strings.Contains(page, "?") {
		sep = "&"
	}
	return page + sep + "next=" + url.QueryEscape(to)
}

// returnTo is the page that a request belongs to: its own address, or for a form the page that shows it.
func returnTo(r *http.Request) string {
	switch p := r.URL.Path; {
	case p == "/token/mail":
		return "/token/key"
	case p == "/token/test":
		return "/token/apply"
	case p == transactionsPage, p == passkeysPage, p == passkeysPage+"/add":
		return p
	case strings.HasPrefix(p, reissuePage):
		return reissuePage
	case strings.HasPrefix(p, releasePage):
		return releasePage
	case p == "/login/passkey":
		return "/login"
	case p == "/token/done", strings.HasPrefix(p, "/security"):
		return "/security"
	case r.URL.RawQuery != "" && p == "/history":
		return p + "?" + r.URL.RawQuery
	default:
		return p
	}
}

// cancelled is where a log-in that the customer gives up leads: the door of OpenID Connect tells the bank.
func cancelled(to string) string {
	if strings.HasPrefix(to, "/oidc/authorize/") && !strings.Contains(to, "?") {
		return to + "?cancel=1"
	}
	return ""
}
