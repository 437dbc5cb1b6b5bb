package frame

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func files(ja, en string) fstest.MapFS {
	return fstest.MapFS{"text/ja.json": {Data: []byte(ja)}, "text/en.json": {Data: []byte(en)}, "pages/layout.html": {Data: []byte(`{{define "layout"}}{{template "main" .}}{{end}}`)},
		"pages/list.html": {Data: []byte(`{{define "main"}}{{.Lang}} {{.T "hello"}} {{.View}} {{.Time .At}}{{end}}`)}}
}

const ja, en = `{"hello": "こんにちは", "format_time": "15時04分"}`, `{"hello": "hello", "format_time": "15:04"}`

func TestSentencesAreSaidInBothLanguages(t *testing.T) {
	if _, err := Load(files(ja, en), "lang", "list"); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]fstest.MapFS{"one that English lacks": files(ja, `{"hello": "hello"}`), "one that Japanese lacks": files(`{"hello": "x"}`, en), "an empty one": files(ja, `{"hello": "", "format_time": "15:04"}`),
		"no sentences": files(ja, `[]`)} {
		if _, err := Load(f, "lang", "list"); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// The language is the one that was chosen, else the browser's, else Japanese; and choosing leads back to a page of ours and nowhere else.
func TestTheLanguageIsChosen(t *testing.T) {
	f, err := Load(files(ja, en), "lang", "list")
	if err != nil {
		t.Fatal(err)
	}
	shown := func(accept, cookie string) string {
		r, w := httptest.NewRequest("GET", "/?a=<b>", nil), httptest.NewRecorder()
		r.Header.Set("Accept-Language", accept)
		r.AddCookie(&http.Cookie{Name: "lang", Value: cookie})
		f.Render(w, r, "list", struct {
			Page
			At time.Time
		}{f.Page(r, "<1>"), time.Unix(0, 0)})
		return w.Header().Get("Content-Language") + ": " + w.Body.String()
	}
	for in, want := range map[[2]string]string{{"", ""}: "ja: ja こんにちは &lt;1&gt; 09時00分", {"fr, en-GB;q=0.8", "xx"}: "en: en hello &lt;1&gt; 09:00", {"en", "ja"}: "ja: ja こんにちは &lt;1&gt; 09時00分"} {
		if got := shown(in[0], in[1]); got != want {
			t.Errorf("%v: %s", in, got)
		}
	}
	for back, want := range map[string]string{"/n/1?x=2": "/n/1?x=2", "//evil.example/": "/", "https://evil.example/": "/", "": "/", "\\\\evil.example": "/"} {
		r, w := httptest.NewRequest("POST", "/language", strings.NewReader(url.Values{"to": {"en"}, "back": {back}}.Encode())), httptest.NewRecorder()
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		f.Language(w, r)
		if got := w.Header().Get("Location"); w.Code != http.StatusSeeOther || got != want || !strings.HasPrefix(w.Header().Get("Set-Cookie"), "lang=en; Path=/; ") {
			t.Errorf("back to %q leads to %q", back, got)
		}
	}
}
