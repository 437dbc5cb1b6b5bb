package main

import (
	"context"
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
	config, _, ready, err := startConfig(dir)
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
func startConfig(dir string) (config, listen, ready string, err error) {
	ports := make([]string, 2)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", "", "", err
		}
		ports[i] = l.Addr().String()
		if err := l.Close(); err != nil {
			return "", "", "", err
		}
	}
	if err := keys.Create(filepath.Join(dir, "keys"), "https://token.bank.example", time.Now(), files.Templates); err != nil {
		return "", "", "", err
	}
	config = filepath.Join(dir, "inkan.toml")
	text := fmt.Sprintf("listen = %q\ninternal = %q\n[hosts]\nlogin = \"https://login.bank.example\"\ntoken = \"https://token.bank.example\"\napi = \"https://api.bank.example\"\n"+
		"[bank]\nname_ja = \"印鑑銀行\"\nname_en = \"Inkan Bank\"\nurl = \"https://www.bank.example\"\n[proxy]\ntrusted = [\"127.0.0.1/32\"]\n[database]\nsqlite = %q\n[keys]\ndirectory = %q\n"+
		"[mail]\nhost = \"127.0.0.1\"\nport = 25\nfrom = \"otp@bank.example\"\nplain = true\n", ports[0], ports[1], filepath.Join(dir, "inkan.db"), filepath.Join(dir, "keys"))
	return config, ports[0], "http://" + ports[1] + "/readyz", os.WriteFile(config, []byte(text), 0o600)
}

// startOnce gives the time until the server says that it is ready, and its memory at rest when that is asked for.
func startOnce(ctx context.Context, program, config, ready string, weigh bool, rest time.Duration) (took time.Duration, memory string, err error) {
	took, pid, stop, err := startServer(exec.CommandContext(ctx, program, "serve", "-config", config), ready) //nolint:gosec // ourselves
	if err != nil {
		return 0, "", err
	}
	defer stop()
	if !weigh {
		return took, "", nil
	}
	if err := pause(ctx, rest); err != nil {
		return 0, "", err
	}
	kib, ok := resident(pid)
	if !ok {
		return took, "unknown on this system", nil
	}
	return took, fmt.Sprintf("%.0f MiB", float64(kib)/1024), nil
}

// startServer starts a server as a process of its own and waits until it says that it is ready.
func startServer(server *exec.Cmd, ready string) (took time.Duration, pid int, stop func(), err error) {
	var said strings.Builder
	server.Stdout, server.Stderr = &said, &said
	began := time.Now()
	if err := server.Start(); err != nil {
		return 0, 0, nil, err
	}
	stop = func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		_ = server.Wait()
	}
	for {
		if res, err := http.Get(ready); err == nil { //nolint:gosec,noctx // our own server
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return time.Since(began), server.Process.Pid, stop, nil
			}
		}
		if time.Since(began) > 20*time.Second {
			stop()
			return 0, 0, nil, fmt.Errorf("the server did not become ready: %s", said.String())
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// resident is the memory of a process, in KiB, where the system is Linux.
func resident(pid int) (kib int, ok bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(b)) {
		if kb, found := strings.CutPrefix(line, "VmRSS:"); found {
			kib, err = strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kb), "kB")))
			return kib, err == nil
		}
	}
	return 0, false
}
