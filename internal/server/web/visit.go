// Package web is what the servers of all audiences share: who is calling and from what, sessions in cookies, headers and limits, the form in which a
// refusal leaves the house, and the words of pages and mails.
package web

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"golang.org/x/text/language"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
)

// Cookies of the customer's pages. The prefix __Host- binds them to one origin.
const (
	sessionCookie = "__Host-inkan"
	browserCookie = "__Host-browser"
	langCookie    = "__Host-lang"
	preCookie     = "__Host-pre"
)

// Visit says who is asking, from what and from where, as far as the request itself tells.
func Visit(r *http.Request) authority.Visit {
	v := authority.Visit{Actor: Stranger(r), Channel: authority.PC}
	if mobile(r) {
		v.Channel = authority.Smartphone
	}
	if c, err := r.Cookie(browserCookie); err == nil {
		v.Browser = c.Value
	}
	return v
}

// Stranger is an actor of whom only device and network are known.
func Stranger(r *http.Request) audit.Actor {
	return audit.Actor{Kind: audit.Stranger, Device: Device(r.UserAgent()), Source: Source(r)}
}

// Source is the caller's network, shortened to /24 or /56: enough to throttle and to recognise, too little to follow a person.
func Source(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return "unknown"
	}
	addr = addr.Unmap()
	bits := 56
	if addr.Is4() {
		bits = 24
	}
	p, err := addr.WithZone("").Prefix(bits)
	if err != nil {
		return "unknown"
	}
	return p.String()
}

// mobile says whether the browser runs on a smartphone: by the client hint where there is one, else by its own description.
func mobile(r *http.Request) bool {
	switch r.Header.Get("Sec-CH-UA-Mobile") {
	case "?1":
		return true
	case "?0":
		return false
	}
	ua := r.UserAgent()
	return strings.Contains(ua, "iPhone") || strings.Contains(ua, "Android") && strings.Contains(ua, "Mobile")
}

// Device names a browser in words that a customer knows, from its own description; it is shown, never decided upon.
func Device(ua string) string {
	system, browser := "", ""
	for _, s := range [][2]string{{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"}, {"Mac OS X", "Mac"}, {"CrOS", "Chromebook"}, {"Linux", "Linux"}} {
		if strings.Contains(ua, s[0]) {
			system = s[1]
			break
		}
	}
	for _, b := range [][2]string{{"Edg", "Edge"}, {"SamsungBrowser", "Samsung Internet"}, {"Firefox", "Firefox"}, {"FxiOS", "Firefox"}, {"CriOS", "Chrome"}, {"Chrome", "Chrome"}, {"Safari", "Safari"}, {"inkan-token", "inkan-token"}} {
		if strings.Contains(ua, b[0]) {
			browser = b[1]
			break
		}
	}
	switch {
	case system == "" && browser == "":
		return "-"
	case browser == "":
		return system
	case system == "":
		return browser
	}
	return system + " / " + browser
}

// SessionOf is the live session of the browser that asks.
func SessionOf(r *http.Request, a *authority.Authority) (authority.Session, error) {
	value := ""
	if c, err := r.Cookie(sessionCookie); err == nil {
		value = c.Value
	}
	return a.SessionOf(r.Context(), value)
}

// SetCookies hands a session, and where it is new the mark of a known browser, to the browser.
func SetCookies(w http.ResponseWriter, c authority.Cookie) {
	// Lax and not Strict: the customer arrives from the bank's own origin, and Strict would show her the login page again.
	set(w, sessionCookie, c.Session, 0, http.SameSiteLaxMode)
	if c.Browser != "" {
		set(w, browserCookie, c.Browser, 400*24*60*60, http.SameSiteLaxMode)
	}
}

// ClearSession takes the session back from the browser; what the browser is known by stays.
func ClearSession(w http.ResponseWriter) {
	set(w, sessionCookie, "", -1, http.SameSiteLaxMode)
	w.Header().Set("Clear-Site-Data", `"cache"`)
}

func set(w http.ResponseWriter, name, value string, age int, same http.SameSite) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: age, Secure: true, HttpOnly: true, SameSite: same})
}

// FormOK says whether a form carries the value bound to the session.
func FormOK(r *http.Request, s authority.Session) bool {
	return s.CSRF != "" && subtle.ConstantTimeCompare([]byte(r.PostFormValue("form")), []byte(s.CSRF)) == 1
}

// PreForm gives the value for a form that is filled in before there is a session; the browser keeps its twin in a cookie.
func PreForm(w http.ResponseWriter, r *http.Request) string {
	if c, err := r.Cookie(preCookie); err == nil && len(c.Value) == 43 {
		return c.Value
	}
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	value := base64.RawURLEncoding.EncodeToString(b[:])
	set(w, preCookie, value, 0, http.SameSiteStrictMode)
	return value
}

// PreFormOK says whether such a form and its cookie agree.
func PreFormOK(r *http.Request) bool {
	c, err := r.Cookie(preCookie)
	return err == nil && len(c.Value) == 43 && subtle.ConstantTimeCompare([]byte(c.Value), []byte(r.PostFormValue("form"))) == 1
}

var languages = language.NewMatcher([]language.Tag{language.Japanese, language.English})

// Lang is the language to answer in: what the customer chose, else what her browser prefers, else Japanese.
func Lang(r *http.Request) string {
	if c, err := r.Cookie(langCookie); err == nil && (c.Value == "ja" || c.Value == "en") {
		return c.Value
	}
	tags, _, err := language.ParseAcceptLanguage(r.Header.Get("Accept-Language"))
	if err != nil || len(tags) == 0 {
		return "ja"
	}
	if _, i, conf := languages.Match(tags...); conf > language.No && i == 1 {
		return "en"
	}
	return "ja"
}

// SetLang remembers the customer's choice of language.
func SetLang(w http.ResponseWriter, lang string) {
	if lang == "ja" || lang == "en" {
		set(w, langCookie, lang, 400*24*60*60, http.SameSiteLaxMode)
	}
}
