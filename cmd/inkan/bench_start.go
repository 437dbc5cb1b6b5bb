package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/inkan-auth/inkan/internal/connector/keys"
	files "github.com/inkan-auth/inkan/web"
)

// benchStart starts `inkan serve` itself, on an SQLite file that exists already, and asks it whether it is ready until it is.
func benchStart(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flag.NewFlagSet("bench start", flag.ContinueOnError)
	f.SetOutput(stderr)
	runs := f.Int("runs", 11, "how often it is started")
	rest := f.Duration("rest", 3*time.Second, "how long the server has been at rest when its memory is read")
	if f.Parse(args) != nil || f.NArg() > 0 || *runs < 1 {
		fmt.Fprintln(stderr, "usage: inkan bench start [-runs n] [-rest 3s]")
		return errUsage
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "inkan-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	config, ready, err := startConfig(dir)
	if err != nil {
		return err
	}
	var first time.Duration
	var took []time.Duration
	var memory string
	for i := range *runs + 1 {
		last := i == *runs
		d, rss, err := startOnce(ctx, program, config, ready, last, *rest)
		if err != nil {
			return err
		}
		if i == 0 {
			first = d // this one makes the database as well
			continue
		}
		took = append(took, d)
		memory = rss
	}
	least, median, greatest := spread(took)
	fmt.Fprintf(stdout, "start to ready, SQLite: %.0f / %.0f / %.0f ms (least, median, greatest of %d); the first one, which makes the database: %.0f ms\nmemory at rest: %s resident\n",
		ms(least), ms(median), ms(greatest), *runs, ms(first), memory)
	return nil
}

// startConfig writes a configuration for a server on loopback.
func startConfig(dir string) (config, ready string, err error) {
	ports := make([]string, 2)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", "", err
		}
		ports[i] = l.Addr().String()
		if err := l.Close(); err != nil {
			return "", "", err
		}
	}
	if err := keys.Create(filepath.Join(dir, "keys"), "https://token.bank.example", time.Now(), files.Templates); err != nil {
		return "", "", err
	}
	config = filepath.Join(dir, "inkan.toml")
	text := fmt.Sprintf("listen = %q\ninternal = %q\n[hosts]\nlogin = \"https://login.bank.example\"\ntoken = \"https://token.bank.example\"\napi = \"https://api.bank.example\"\n"+
		"[bank]\nname_ja = \"印鑑銀行\"\nname_en = \"Inkan Bank\"\nurl = \"https://www.bank.example\"\n[proxy]\ntrusted = [\"127.0.0.1/32\"]\n[database]\nsqlite = %q\n[keys]\ndirectory = %q\n"+
		"[mail]\nhost = \"127.0.0.1\"\nport = 25\nfrom = \"otp@bank.example\"\nplain = true\n", ports[0], ports[1], filepath.Join(dir, "inkan.db"), filepath.Join(dir, "keys"))
	return config, "http://" + ports[1] + "/readyz", os.WriteFile(config, []byte(text), 0o600)
}

// startOnce gives the time until the server says that it is ready, and its memory at rest when that is asked for.
func startOnce(ctx context.Context, program, config, ready string, weigh bool, rest time.Duration) (took time.Duration, memory string, err error) {
	server := exec.CommandContext(ctx, program, "serve", "-config", config) //nolint:gosec // ourselves
	var said strings.Builder
	server.Stdout, server.Stderr = &said, &said
	began := time.Now()
	if err := server.Start(); err != nil {
		return 0, "", err
	}
	defer func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		_ = server.Wait()
	}()
	for {
		if res, err := http.Get(ready); err == nil { //nolint:gosec,noctx // our own server
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				took = time.Since(began)
				break
			}
		}
		if time.Since(began) > 20*time.Second {
			return 0, "", errors.New("the server did not become ready")
		}
		time.Sleep(2 * time.Millisecond)
	}
	if !weigh {
		return took, "", nil
	}
	select {
	case <-time.After(rest):
	case <-ctx.Done():
		return 0, "", ctx.Err()
	}
	return took, resident(server.Process.Pid), nil
}

// resident is the memory of a process as Linux has it.
func resident(pid int) string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return "unknown on this system"
	}
	for line := range strings.Lines(string(b)) {
		if kb, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			if n, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kb), "kB"))); err == nil {
				return fmt.Sprintf("%.0f MiB", float64(n)/1024)
			}
		}
	}
	return "unknown"
}
