package customer

import (
	"fmt"
	"github.com/inkan-auth/inkan/internal/server/web"
	"net/http"
	"os"
	"testing"
)

func TestServe(t *testing.T) {
	if os.Getenv("SERVE") == "" {
		t.Skip()
	}
	h := open(t)
	h.server.Gallery = true
	m := http.NewServeMux()
	h.server.Mount(m)
	h.Person(1, true)
	fmt.Println("up")
	_ = http.ListenAndServe("127.0.0.1:7777", web.Harden(m, h.server.CSP()))
}
