//go:build browser

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "inkan-e2e-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "inkan")
	if out, err := exec.Command("go", "build", "-o", binary, "../cmd/inkan").CombinedOutput(); err != nil {
		panic(string(out))
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// demo is one running `inkan demo`.
type demo struct {
	t    *testing.T
	port string
	data string
	more []string // further arguments
	cmd  *exec.Cmd
}

func startDemo(t *testing.T, more ...string) *demo {
	t.Helper()
	d := &demo{t: t, data: t.TempDir(), port: "0", more: more}
	if err := os.RemoveAll(artifacts(t)); err != nil { // what an earlier run left is not this run's output
		t.Fatal(err)
	}
	d.start()
	t.Cleanup(func() { d.stop(syscall.SIGTERM) })
	return d
}

var announced = regexp.MustCompile(`http://localhost:(\d+)`)

func (d *demo) start() {
	d.t.Helper()
	d.cmd = exec.Command(binary, append([]string{"demo", "-listen", "127.0.0.1:" + d.port, "-data", d.data, "-lang", "en", "-v"}, d.more...)...)
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	journal, err := os.OpenFile(d.log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		d.t.Fatal(err)
	}
	d.cmd.Stderr = journal
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	s := bufio.NewScanner(out)
	for s.Scan() {
		if m := announced.FindStringSubmatch(s.Text()); m != nil {
			d.port = m[1]
			go func() { _, _ = io.Copy(io.Discard, out) }()
			break
		}
	}
	for range 100 { // announced just before it serves
		if res, err := http.Get("http://127.0.0.1:" + d.port + "/"); err == nil {
			_ = res.Body.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	d.t.Fatal("the demo does not answer")
}

func (d *demo) stop(how syscall.Signal) {
	_ = d.cmd.Process.Signal(how)
	_ = d.cmd.Wait()
}

// crash is a server whose power is cut, and which comes back on the same address with what was written.
func (d *demo) crash() {
	d.t.Helper()
	d.stop(syscall.SIGKILL)
	d.start()
}

// log is where the server of this test writes its requests, over all its restarts.
func (d *demo) log() string { return filepath.Join(artifacts(d.t), "server.log") }

// asked counts the requests of one kind that have reached the server, such as "POST /v1/registrations".
func (d *demo) asked(route string) int {
	d.t.Helper()
	b, err := os.ReadFile(d.log())
	if err != nil {
		d.t.Fatal(err)
	}
	return strings.Count(string(b), "route="+strconv.Quote(route))
}

func (d *demo) url(host, path string) string {
	return "http://" + host + ".localhost:" + d.port + path
}

// artifacts is where pictures and logs of a test are kept: the test's output, to be looked at.
func artifacts(t *testing.T) string {
	t.Helper()
	root := os.Getenv("INKAN_TEST_OUTPUT")
	if root == "" {
		root = "../out/e2e"
	}
	dir := filepath.Join(root, strings.ReplaceAll(t.Name(), "/", "-"))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// device is what a browser pretends to be.
type device struct {
	width, height int64
	mobile        bool
	agent         string
	lang          string
	dark          bool
}

const (
	iPhone  = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1"
	windows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
)

var (
	pc    = device{1280, 900, false, windows, "ja", false}
	phone = device{390, 844, true, iPhone, "ja", false}
)

// browser starts Chromium with a profile of its own; extra are further flags.
func browser(t *testing.T, profile string, extra ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	path := os.Getenv("CHROMIUM")
	if path == "" {
		var err error
		if path, err = exec.LookPath("chromium"); err != nil {
			t.Fatal("chromium is not installed")
		}
	}
	options := append([]chromedp.ExecAllocatorOption{}, chromedp.DefaultExecAllocatorOptions[:]...)
	options = append(options, chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(profile), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("font-render-hinting", "none"))
	options = append(options, extra...)
	alloc, cancelAlloc := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancelAlloc)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	ctx, cancelTime := context.WithTimeout(ctx, 20*time.Minute)
	t.Cleanup(cancelTime)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("starting Chromium: %v", err)
	}
	return ctx
}

// tab is one page of a browser.
type tab struct {
	t   *testing.T
	ctx context.Context
	dir string
	n   int
	tag string
	// cut says that this page's network is cut on purpose, so that its failed requests are no fault of the page.
	cut atomic.Bool
}

func (d device) open(t *testing.T, ctx context.Context, tag string, own bool) *tab {
	t.Helper()
	if own {
		var cancel context.CancelFunc
		ctx, cancel = chromedp.NewContext(ctx, chromedp.WithNewBrowserContext())
		t.Cleanup(cancel)
	}
	if err := chromedp.Do(ctx); err != nil { // the tab lives as long as the context of its first call
		t.Fatal(err)
	}
	b := &tab{t: t, ctx: ctx, dir: artifacts(t), tag: tag}
	b.listen()
	b.become(d)
	return b
}

// listen makes every fault that the browser's console knows of a failure of the test: exceptions, console errors, broken policies, missing files.
func (b *tab) listen() {
	thrown, entries, calls := chromedp.Events(b.ctx, runtime.ExceptionThrown), chromedp.Events(b.ctx, log.EntryAdded), chromedp.Events(b.ctx, runtime.ConsoleAPICalled)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var faults []string
	add := func(s string) { mu.Lock(); faults = append(faults, s); mu.Unlock() }
	wg.Go(func() {
		for e, err := range thrown {
			if err != nil {
				return
			}
			text := e.ExceptionDetails.Text
			if e.ExceptionDetails.Exception != nil {
				text += " " + e.ExceptionDetails.Exception.Description
			}
			add("exception: " + text + " " + e.ExceptionDetails.URL)
		}
	})
	wg.Go(func() {
		for e, err := range calls {
			if err != nil {
				return
			}
			if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
				var words []string
				for _, a := range e.Args {
					words = append(words, string(a.Value), a.Description)
				}
				add("console: " + strings.Join(words, " "))
			}
		}
	})
	wg.Go(func() {
		for e, err := range entries {
			if err != nil {
				return
			}
			x := e.Entry
			if x.Level != log.EntryLevelError && x.Source != log.EntrySourceSecurity && x.Source != log.EntrySourceViolation || x.Source == log.EntrySourceNetwork && (b.cut.Load() || refusal.MatchString(x.Text)) {
				continue
			}
			add(string(x.Source) + ": " + x.Text + " " + x.URL)
		}
	})
	b.t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		for _, f := range faults {
			b.t.Errorf("%s: the browser complains: %s", b.tag, f)
		}
	})
}

// refusal is what the browser logs of an answer that says no on purpose.
var refusal = regexp.MustCompile(`status of (401|403|409|422|423|429)`)

func (b *tab) become(d device) {
	b.t.Helper()
	features := []*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: "reduce"}}
	if d.dark {
		features = append(features, &emulation.MediaFeature{Name: "prefers-color-scheme", Value: "dark"})
	}
	b.must(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: d.agent, AcceptLanguage: d.lang})
		if err != nil {
			return chromedp.Void{}, err
		}
		if _, err = cdp.Call(ctx, t, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: d.width, Height: d.height, DeviceScaleFactor: 1, Mobile: d.mobile}); err != nil {
			return chromedp.Void{}, err
		}
		_, err = cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
		return chromedp.Void{}, err
	})
}

// patience is how long a step may take. It is no measure of anything: a machine that has much else to do is slow, and a test must not fail for it.
const patience = 3 * time.Minute

func (b *tab) must(a chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, a); err != nil {
		b.failed()
		b.t.Fatalf("%s at %s: %v", b.tag, b.where(), err)
	}
}

func (b *tab) where() string {
	u, _ := chromedp.Run(b.ctx, chromedp.Location())
	return u
}

// goTo opens an address. A page that is just going on by itself breaks that off: whoever typed the address types it again.
func (b *tab) goTo(url string) {
	b.t.Helper()
	for try := 1; ; try++ {
		ctx, cancel := context.WithTimeout(b.ctx, patience)
		err := chromedp.Do(ctx, chromedp.Navigate(url))
		cancel()
		if err == nil {
			return
		}
		if try == 5 || !strings.Contains(err.Error(), "ERR_ABORTED") {
			b.failed()
			b.t.Fatalf("%s to %s: %v", b.tag, url, err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// front opens the bank's first page, which leads on while the bank has not yet been told that the last login has ended.
func (b *tab) front(d *demo) {
	b.t.Helper()
	for began := time.Now(); time.Since(began) < patience; time.Sleep(250 * time.Millisecond) {
		b.goTo(d.url("bank", "/"))
		if u, _, _ := strings.Cut(b.where(), "?"); u == d.url("bank", "/") {
			return
		}
	}
	b.failed()
	b.t.Fatalf("%s: the bank still shows a login that has ended", b.tag)
}

func css(s string) chromedp.CSS { return chromedp.CSS(s) }

func (b *tab) fill(selector, text string) {
	b.t.Helper()
	b.must(chromedp.WaitVisible(css(selector)))
	b.must(chromedp.Evaluate[chromedp.Void](fmt.Sprintf("document.querySelector(%q).select()", selector))) // what is typed replaces what is there
	b.must(chromedp.SendKeys(css(selector), text))
}

func (b *tab) click(selector string) {
	b.t.Helper()
	b.must(chromedp.WaitVisible(css(selector)))
	b.must(chromedp.Evaluate[chromedp.Void](fmt.Sprintf("document.querySelector(%q).scrollIntoView({block: 'center'})", selector))) // as a thumb does, clear of what is fixed at the edge
	b.still(selector)
	b.must(chromedp.Click(css(selector)))
}

// still waits until something no longer moves: a person does not press what is just sliding away, and on a busy machine a page is laid out late.
func (b *tab) still(selector string) {
	b.t.Helper()
	where, last := "", ""
	for range 40 {
		b.eval(fmt.Sprintf("(() => { const r = document.querySelector(%q)?.getBoundingClientRect(); return r ? [r.x, r.y, r.width, r.height].join() : '' })()", selector), &where)
		if where == last && where != "" {
			return
		}
		last = where
		time.Sleep(80 * time.Millisecond)
	}
}

func (b *tab) see(selector string) { b.t.Helper(); b.must(chromedp.WaitVisible(css(selector))) }

func (b *tab) text(selector string) string {
	b.t.Helper()
	b.see(selector)
	s, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](fmt.Sprintf("document.querySelector(%q).textContent", selector)))
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// at waits until the page's address ends in path.
func (b *tab) at(path string) {
	b.t.Helper()
	for began := time.Now(); time.Since(began) < patience; time.Sleep(50 * time.Millisecond) {
		u := b.where()
		u, _, _ = strings.Cut(u, "?")
		if strings.HasSuffix(u, path) && b.ready() {
			return
		}
	}
	b.failed()
	b.t.Fatalf("%s is at %s, want …%s: %s", b.tag, b.where(), path, b.text("body"))
}

// ready says that the page which is shown has been loaded; after a step from one site to another the address is right before the page is.
func (b *tab) ready() bool {
	s, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.readyState + (document.querySelector('main') ? '' : ' empty')"))
	return err == nil && s == "complete"
}

// looking takes pictures of every step and every page, for people to look at (INKAN_TEST_LOOK=1). Drawing them is a good third of these tests' work, and no test reads them.
var looking = os.Getenv("INKAN_TEST_LOOK") != ""

// look takes a picture of the whole page.
func (b *tab) look(name string) {
	b.t.Helper()
	b.n++
	if looking {
		b.keep(fmt.Sprintf("%s-%02d-%s.png", b.tag, b.n, name))
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	_ = chromedp.Do(ctx, func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) { // a page behind another one is not drawn
		return chromedp.Call(ctx, page.BringToFront, cdp.Empty{})
	})
	b.settle()
}

// settle waits, as the drawing of a picture would, until the page that was pressed on has become the one that it leads to.
func (b *tab) settle() {
	last, same := "", 0
	for began := time.Now(); time.Since(began) < 5*time.Second && same < 3; time.Sleep(80 * time.Millisecond) {
		if at := b.where(); at == last && b.ready() {
			same++
		} else {
			last, same = at, 0
		}
	}
}

// failed takes the picture that tells why a test ends here.
func (b *tab) failed() { b.keep(fmt.Sprintf("%s-%02d-failed.png", b.tag, b.n+1)) }

func (b *tab) keep(file string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, func(ctx context.Context, t *chromedp.Target) ([]byte, error) {
		if _, err := cdp.Call(ctx, t, page.BringToFront, cdp.Empty{}); err != nil { // a page behind another one is not drawn
			return nil, err
		}
		r, err := cdp.Call(ctx, t, page.CaptureScreenshot, page.CaptureScreenshotParams{CaptureBeyondViewport: new(true)})
		return r.Data, err
	})
	if err != nil {
		b.t.Logf("no picture %s: %v", file, err)
		return
	}
	if err := os.WriteFile(filepath.Join(b.dir, file), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// offline cuts the network of the page and its worker.
func (b *tab) offline(off bool) {
	b.t.Helper()
	b.cut.Store(true) // and it stays true: what failed may be told later
	b.must(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: off, Latency: 0, DownloadThroughput: -1, UploadThroughput: -1})
		return chromedp.Void{}, err
	})
}

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
}

func quote(s string) string { return strconv.Quote(s) }

// eval runs a script in the page and reads its value.
func (b *tab) eval(script string, into *string) {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](script))
	if err != nil {
		b.t.Fatalf("%s: %v", script, err)
	}
	*into = v
}

// languages are those in which the longest walks are gone: the first of them, and in the long run (INKAN_TEST_LONG=1) the other one as well. Every page is seen in both by the tests of pages.
func languages() []string {
	if os.Getenv("INKAN_TEST_LONG") != "" {
		return []string{"ja", "en"}
	}
	return []string{"ja"}
}
