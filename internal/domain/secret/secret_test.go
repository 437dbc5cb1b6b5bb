package secret

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestASecretIsNeverPrinted(t *testing.T) {
	s := Text("canary-7431")
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", s, "nested", struct{ S Bytes }{s})
	for _, got := range []string{fmt.Sprint(s), fmt.Sprintf("%s %v %q %x %#v %d", s, s, s, s, s, s), fmt.Sprintf("%+v", struct{ S Bytes }{s}), log.String()} {
		if strings.Contains(got, "canary") || strings.Contains(got, "63616e617279") {
			t.Errorf("printed: %s", got)
		}
	}
	if b, err := json.Marshal(s); err == nil {
		t.Errorf("json.Marshal = %s, want an error", b)
	}
}

func TestEqual(t *testing.T) {
	if !Text("a").Equal(Text("a")) || Text("a").Equal(Text("b")) || Text("a").Equal(Text("ab")) {
		t.Error("Equal does not compare the bytes")
	}
}
