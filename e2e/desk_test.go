//go:build browser

package e2e

import (
	"context"
	"html"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// desk is a customer's PC without a browser: it reads the forms of the pages and sends them, for the tests whose subject is the phone.
type desk struct {
	t      *testing.T
	d      *demo
	client *http.Client
	mu     sync.Mutex
	jar    map[string]map[string]string // host → cookie; net/http's own jar keeps Secure cookies from *.localhost, which browsers do not
}

func (d *demo) desk() *desk {
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+d.port)
	}
	return &desk{t: d.t, d: d, jar: map[string]map[string]string{}, client: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// sheet is a page as the desk got it.
type sheet struct {
	at   *url.URL
	code int
	html string
}

var (
	formTag   = regexp.MustCompile(`(?s)<form[^>]*action="([^"]*)"[^>]*>(.*?)</form>`)
	hiddenTag = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)
	keyLink   = regexp.MustCompile(`href="(http[^"]*/r#1\.[^"]*)"`)
	typedKey  = regexp.MustCompile(`(?s)id="typed">(.*?)</p>`)
	mailLink  = regexp.MustCompile(`href="(/mail/[^"]*)"`)
)

// ask sends one request and follows where it leads.
func (c *desk) ask(method, to string, form url.Values) (sheet, error) {
	for range 12 {
		u, err := url.Parse(to)
		if err != nil {
			return sheet{}, err
		}
		req, err := http.NewRequest(method, to, strings.NewReader(form.Encode()))
		if err != nil {
			return sheet{}, err
		}
		req.Header.Set("User-Agent", windows)
		req.Header.Set("Accept-Language", "ja")
		if method == http.MethodPost {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			req.Header.Set("Origin", u.Scheme+"://"+u.Host)
			req.Header.Set("Sec-Fetch-Site", "same-origin")
		}
		c.mu.Lock()
		for n, v := range c.jar[u.Host] {
			req.AddCookie(&http.Cookie{Name: n, Value: v})
		}
		c.mu.Unlock()
		res, err := c.client.Do(req)
		if err != nil {
			return sheet{}, err
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil {
			return sheet{}, err
		}
		c.mu.Lock()
		for _, k := range res.Cookies() {
			if c.jar[u.Host] == nil {
				c.jar[u.Host] = map[string]string{}
			}
			if k.MaxAge < 0 {
				delete(c.jar[u.Host], k.Name)
			} else {
				c.jar[u.Host][k.Name] = k.Value
			}
		}
		c.mu.Unlock()
		next := res.Header.Get("Location")
		if next == "" {
			return sheet{u, res.StatusCode, string(body)}, nil
		}
		ref, err := u.Parse(next)
		if err != nil {
			return sheet{}, err
		}
		method, to, form = http.MethodGet, ref.String(), nil
	}
	c.t.Error("the pages send one another in a circle")
	return sheet{}, http.ErrHandlerTimeout
}

func (c *desk) open(to string) sheet {
	c.t.Helper()
	s, err := c.ask(http.MethodGet, to, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// filled gives address and fields of a form of the page.
func (s sheet) filled(action string, fields ...string) (string, url.Values, bool) {
	for _, m := range formTag.FindAllStringSubmatch(s.html, -1) {
		to := html.UnescapeString(m[1])
		if path, _, _ := strings.Cut(to, "?"); path != action {
			continue
		}
		v := url.Values{}
		for _, h := range hiddenTag.FindAllStringSubmatch(m[2], -1) {
			v.Set(h[1], html.UnescapeString(h[2]))
		}
		for i := 0; i+1 < len(fields); i += 2 {
			v.Set(fields[i], fields[i+1])
		}
		ref, err := s.at.Parse(to)
		if err != nil {
			return "", nil, false
		}
		return ref.String(), v, true
	}
	return "", nil, false
}

func (c *desk) send(s sheet, action string, fields ...string) sheet {
	c.t.Helper()
	to, v, ok := s.filled(action, fields...)
	if !ok {
		c.t.Fatalf("%s has no form %s", s.at, action)
	}
	out, err := c.ask(http.MethodPost, to, v)
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

func (c *desk) logIn(p person) {
	c.t.Helper()
	s := c.send(c.open(c.d.url("login", "/login")), "/login", "login_id", p.id, "login_password", p.login)
	if s.at.Path != "/security" {
		c.t.Fatalf("the login of %s led to %s", p.id, s.at)
	}
}

// apply applies for a token and gives the key's link, its digits and the number that was mailed.
func (c *desk) apply(p person) (link, typed, number string) {
	c.t.Helper()
	c.send(c.open(c.d.url("login", "/token/apply")), "/token/apply", "confirm", p.confirm)
	link, typed = c.key()
	return link, typed, c.mailed(p.mail, 1)
}

// key reads the registration key that is shown now.
func (c *desk) key() (link, typed string) {
	c.t.Helper()
	s := c.open(c.d.url("login", "/token/key"))
	l, k := keyLink.FindStringSubmatch(s.html), typedKey.FindStringSubmatch(s.html)
	if l == nil || k == nil {
		c.t.Fatalf("%s shows no key", s.at)
	}
	return html.UnescapeString(l[1]), digits(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(k[1], ""))
}

// mails lists the mails to an address that hold a registration number, newest first.
func (c *desk) mails(to string) []string {
	c.t.Helper()
	var found []string
	for _, m := range mailLink.FindAllStringSubmatch(c.open(c.d.url("mail", "/")).html, -1) {
		s := c.open(c.d.url("mail", m[1]))
		if n := number.FindStringSubmatch(s.html); n != nil && strings.Contains(s.html, to) {
			found = append(found, n[1]+n[2])
		}
	}
	return found
}

// mailed waits until so many mails with a number have come, and reads the number.
func (c *desk) mailed(to string, many int) string {
	c.t.Helper()
	for range 60 {
		if found := c.mails(to); len(found) >= many {
			return found[0]
		}
		time.Sleep(200 * time.Millisecond)
	}
	c.t.Fatalf("no mail with a registration number came to %s", to)
	return ""
}

// start types a code at the start of use and says whether it was taken.
func (c *desk) start(code string) bool {
	c.t.Helper()
	return c.send(c.open(c.d.url("login", "/token/start")), "/token/start", "code", code).at.Path == "/token/done"
}

// register lets the app register by link, as after scanning.
func (b *tab) register(link, number string) {
	b.t.Helper()
	b.goTo(link)
	b.fill("[data-testid=number-input]", number)
	b.click("[data-testid=register-submit]")
	b.see("[data-testid=registered]")
}
