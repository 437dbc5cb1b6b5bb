package web

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/inkan-auth/inkan/internal/domain/problem"
)

// API is what JSON doors share.
type API struct {
	Log      *slog.Logger
	Sentence func(lang string, e *problem.Error) string // what happened, with its facts
}

// Refuse answers a request that reaches no door.
func (a API) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	WriteProblem(w, r, a.Log, a.Sentence, err)
}

// JSON makes a door: it decodes strictly, calls, and writes the answer or the problem. Ans may implement StatusCoder to choose its status.
func JSON[Req, Ans any](api API, f func(r *http.Request, req Req) (Ans, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var req Req
		body, err := decode(r, &req)
		r = r.WithContext(context.WithValue(r.Context(), bodyKey{}, body))
		var ans Ans
		if err == nil {
			ans, err = f(r, req)
		}
		if err != nil {
			api.Refuse(w, r, err)
			return
		}
		status := http.StatusOK
		if s, ok := any(ans).(StatusCoder); ok {
			status = s.StatusCode()
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(ans) // a caller who has gone needs no answer
	})
}

type bodyKey struct{}

// Body is the bytes that a JSON door has read, for a proof over them.
func Body(r *http.Request) []byte {
	b, _ := r.Context().Value(bodyKey{}).([]byte)
	return b
}

// StatusCoder is an answer that chooses its status.
type StatusCoder interface{ StatusCode() int }

// Nothing is the request of a door that takes no body.
type Nothing struct{}

// decode reads one JSON object strictly: right media type, valid UTF-8, no unknown members, no member twice, nothing behind it.
func decode(r *http.Request, into any) (body []byte, err error) {
	if _, none := into.(*Nothing); none {
		return nil, nil
	}
	if m, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || m != "application/json" {
		return nil, problem.New(problem.Malformed)
	}
	if body, err = io.ReadAll(r.Body); err != nil {
		return nil, problem.New(problem.Malformed)
	}
	if !flat(body) && (!utf8.Valid(body) || checkJSON(body) != nil) { // encoding/json would put a replacement character in the place of what is not text
		return nil, problem.New(problem.Malformed)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil || d.More() {
		return nil, problem.New(problem.Malformed)
	}
	return body, nil
}

// Limits of a JSON body.
const (
	maxJSONDepth   = 8
	maxJSONMembers = 64
)

// flat says whether a body is what nearly every request is: one object of a few texts in plain ASCII, each name once and in our spelling, and no escapes. There is nothing in it that
// checkJSON would refuse, and it is seen in a tenth of the time.
func flat(body []byte) bool {
	names := make([]string, 0, 8)
	at := 0
	next := func() int { // the next byte that is no white space, or -1 behind the last
		for ; at < len(body); at++ {
			if c := body[at]; c != ' ' && c != '\t' && c != '\r' && c != '\n' {
				at++
				return int(c)
			}
		}
		return -1
	}
	text := func() (string, bool) {
		if next() != '"' {
			return "", false
		}
		for from := at; at < len(body); at++ {
			switch c := body[at]; {
			case c == '"':
				at++
				return string(body[from : at-1]), true
			case c < ' ' || c > '~' || c == '\\':
				return "", false
			}
		}
		return "", false
	}
	if next() != '{' {
		return false
	}
	for {
		name, ok := text()
		if !ok || !plainName(name) || slices.Contains(names, name) || len(names) == cap(names) || next() != ':' {
			return false
		}
		names = append(names, name)
		if _, ok := text(); !ok {
			return false
		}
		switch next() {
		case ',':
		case '}':
			return next() < 0
		default:
			return false
		}
	}
}

// checkJSON refuses what encoding/json would let pass: anything but an object, members that occur twice, names in another spelling than ours (it compares
// them without case, so that "code" and "CODE" would be one member twice), lonely surrogates, and nesting or breadth beyond what any of our doors needs.
func checkJSON(body []byte) error {
	if !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) {
		return problem.New(problem.Malformed)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	type level struct {
		object bool
		names  map[string]bool
		key    bool
	}
	var stack []level
	for {
		t, err := d.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		top := len(stack) - 1
		if s, ok := t.(string); ok && strings.ContainsRune(s, utf8.RuneError) {
			return problem.New(problem.Malformed)
		}
		if s, ok := t.(string); ok && top >= 0 && stack[top].object && stack[top].key {
			if !plainName(s) || stack[top].names[s] || len(stack[top].names) >= maxJSONMembers {
				return problem.New(problem.Malformed)
			}
			stack[top].names[s] = true
			stack[top].key = false
			continue
		}
		if top >= 0 {
			stack[top].key = true
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			if len(stack) >= maxJSONDepth {
				return problem.New(problem.Malformed)
			}
			stack = append(stack, level{object: t == json.Delim('{'), names: map[string]bool{}, key: true})
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:top]
		}
	}
}

// plainName says whether a member's name is spelt as all of ours are.
func plainName(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c != '_' && c != '.' && (c < 'a' || c > 'z') && (c < '0' || c > '9') })
}
