package web

import (
	"encoding/json"
	"strings"
	"testing"
)

// What is taken without a closer look is what the closer look would have taken: one object, each name once.
func FuzzFlat(f *testing.F) {
	for _, s := range []string{`{"decision":"a.b.c"}`, ` { "customer" : "1" , "code" : "2" } `, "{\"a\":\"b\"}\n", `{}`, `{"a":"b","a":"c"}`, `{"A":"b"}`, `{"a":"b"}x`, `{"a":"b"} {"c":"d"}`, `{"a":1}`, `{"a":"\u0041"}`, `{"a":"が"}`,
		`{"a":{"b":"c"}}`, `["a"]`, `{"a":"b",}`, `{"a" "b"}`, `{"a":"b"`, `{"a":"b`, "{\"a\":\"b\"}\x00", `{"a":"b"}\`, "{\"a\":\"\x01\"}", `{"a":"1","b":"2","c":"3","d":"4","e":"5","f":"6","g":"7","h":"8","i":"9"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if !flat(body) {
			return
		}
		var got map[string]string
		if err := json.Unmarshal(body, &got); err != nil || checkJSON(body) != nil {
			t.Fatalf("%q is taken: %v, %v", body, err, checkJSON(body))
		}
		if n := strings.Count(string(body), `"`); n != 4*len(got) {
			t.Fatalf("%q has %d quotation marks for %d members", body, n, len(got))
		}
	})
}

func TestFlatTakesWhatRequestsAre(t *testing.T) {
	for body, want := range map[string]bool{`{"decision":"a.b.c"}`: true, "{\"customer\":\"1\", \"code\":\"2\"}\r\n": true, `{"a":"b","a":"c"}`: false, `{"CODE":"1"}`: false, `{"a":"\u0041"}`: false, `{"a":"b"}}`: false, `{"a":"b"} x`: false,
		`{}`: false, "{\"a\":\"b\"}\x00": false} {
		if flat([]byte(body)) != want {
			t.Errorf("%q: %v", body, !want)
		}
	}
}
