package dashboards

import (
	"context"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// The page in a real Chromium.

var shots = flag.String("shots", "", "folder to write screenshots of every page to")

//go:embed testdata/axe.min.js
var axe string

// tab is a browser tab that notes where its page asks.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu    sync.Mutex
	asked []string
}

// openBrowser starts a Chromium for the test, or skips it; CI has one.
func openBrowser(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if path, err = exec.LookPath("google-chrome"); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal("no chromium")
			}
			t.Skip("no chromium here: install it to test the page")
		}
	}
	if testing.Short() {
		t.Skip("-short")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-dev-shm-usage", true))
	actx, endAllocator := chromedp.NewExecAllocator(t.Context(), options...)
	bctx, endBrowser := chromedp.NewContext(actx)
	t.Cleanup(func() { endBrowser(); endAllocator() })
	if err := chromedp.Do(bctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatalf("chromium does not start: %v", err)
	}
	return bctx
}

// openTab opens one of its own cookies.
func openTab(t *testing.T, browser context.Context) *tab {
	t.Helper()
	ctx, end := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(end)
	b := &tab{t: t, ctx: ctx}
	b.do(chromedp.Navigate("about:blank"))
	if err := chromedp.Listen(ctx, b.note); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *tab) note(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e, ok := event.(*network.EventRequestWillBeSent); ok {
		b.asked = append(b.asked, e.Request.URL)
	}
}

// do runs steps; the first of a tab opens it.
func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

func eval[T any](b *tab, script string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%.80s: %v", script, err)
	}
	return v
}

// until waits for a condition in the page, or in the one that it leads to.
func (b *tab) until(condition string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	for {
		_, err := chromedp.Run(ctx, chromedp.Poll[bool](condition))
		if err == nil {
			return
		}
		if ctx.Err() != nil { // otherwise the page went away under the question
			b.t.Fatalf("never true: %s: %v; the page is %s with %.300q", condition, err, eval[string](b, "location.href"), eval[string](b, "document.body.innerText"))
		}
	}
}

func (b *tab) prefer(scheme string, width int64) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.do(chromedp.EmulateViewport(width, 900))
}

func (b *tab) shot(name string) {
	b.t.Helper()
	if *shots == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(filepath.Join(*shots, name+".png"), png, 0o600)
	}
	if err != nil {
		b.t.Error(err)
	}
}

// violations runs axe-core, which the page has to have, over what is shown.
func (b *tab) violations() []string {
	b.t.Helper()
	report := eval[string](b, `axe.run(document, {resultTypes: ["violations"]}).then((r) => JSON.stringify(r.violations.map((v) => v.id + ": " + v.nodes.map((n) => n.html.slice(0, 120) + " " + (n.any[0] || n.all[0] || n.none[0] || {}).message).join(" | "))))`)
	var found []string
	if err := json.Unmarshal([]byte(report), &found); err != nil {
		b.t.Fatal(err)
	}
	return found
}

// signIn types the token as a person does.
func (b *tab) signIn(base, token string) {
	b.t.Helper()
	b.do(chromedp.Navigate(base+"/sign-in"), chromedp.SendKeys(chromedp.CSS("[name=token]"), token), chromedp.SendKeys(chromedp.CSS("[name=name]"), "A. Operator\r"))
	b.until(`location.pathname === "/"`)
}

var everyPage = []string{"/", "/enrichments", "/enrichments/197", "/ledger", "/ledger?q=nothing+is+like+this", "/cache", "/cache?value=198.51.100.7", "/clients", "/sources", "/health", "/lookup?value=198.51.100.7", "/sign-in", "/nowhere"}

// Every page, in both themes, wide and narrow: nothing that axe-core objects
// to, nothing wider than the window, nothing from elsewhere.
func TestPagesInChromium(t *testing.T) {
	browser := openBrowser(t)
	_, server := page(t, story(), nil)
	b := openTab(t, browser)
	b.signIn(server.URL, adminToken)
	for _, path := range everyPage {
		b.do(chromedp.Navigate(server.URL+path), chromedp.Evaluate[chromedp.Void](axe))
		for _, scheme := range []string{"light", "dark"} {
			for _, width := range []int64{1280, 320} {
				name := fmt.Sprintf("%s %s %d", path, scheme, width)
				b.prefer(scheme, width)
				if over := eval[int](b, "document.documentElement.scrollWidth - window.innerWidth"); over > 0 {
					t.Errorf("%s: %d pixels too wide: %s", name, over, eval[string](b, `[...document.querySelectorAll("main *, header *, footer *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".hide, thead")).slice(0, 3).map((e) => e.outerHTML.slice(0, 90)).join(" | ")`))
				}
				for _, v := range b.violations() {
					t.Errorf("%s: %s", name, v)
				}
				b.shot(strings.NewReplacer("/", "_", "?", "_", " ", "-", "=", "_").Replace(strings.TrimPrefix(name, "/")))
			}
		}
	}
	// The checker does find what is wrong.
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("main").innerHTML = '<img src="/assets/icon.svg"><input>'`))
	if found := b.violations(); len(found) < 2 {
		t.Errorf("an image without a text and a field without a label pass: %q", found)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.asked) < len(everyPage) {
		t.Errorf("only %d requests were seen", len(b.asked))
	}
	for _, address := range b.asked {
		if u, err := url.Parse(address); err != nil || u.Host != strings.TrimPrefix(server.URL, "http://") {
			t.Errorf("the page asked %s", address)
		}
	}
}

// The theme that was chosen wins over the system's, without a script too.
func TestThemeInChromium(t *testing.T) {
	browser := openBrowser(t)
	_, server := page(t, story(), nil)
	b := openTab(t, browser)
	b.signIn(server.URL, readToken)
	background := func() string { return eval[string](b, "getComputedStyle(document.body).backgroundColor") }
	b.prefer("light", 1280)
	light := background()
	b.prefer("dark", 1280)
	dark := background()
	if light == dark {
		t.Fatalf("both themes have %s", light)
	}
	for _, c := range []struct{ choose, want string }{{"light", light}, {"dark", dark}, {"", dark}} {
		b.do(chromedp.Navigate(server.URL+"/health"), chromedp.Click(chromedp.CSS(fmt.Sprintf(`.themes [value="%s"]`, c.choose))))
		b.until(fmt.Sprintf(`document.querySelector('.themes [value="%s"]').getAttribute("aria-pressed") === "true"`, c.choose))
		if got := background(); got != c.want || eval[string](b, "location.pathname") != "/health" {
			t.Errorf("%q: %s, want %s", c.choose, got, c.want)
		}
	}
}

// A person without a mouse signs in, finds every page and pauses a source.
func TestKeyboardOnly(t *testing.T) {
	browser := openBrowser(t)
	backend := story()
	_, server := page(t, backend, nil)
	b := openTab(t, browser)
	press := func(keys string) { b.t.Helper(); b.do(chromedp.KeyEvent(keys)) }
	// walk presses Tab until the focused element's text or name is it.
	walk := func(want string) {
		t.Helper()
		var seen []string
		for range 80 {
			press("\t")
			at := eval[string](b, `(() => { const e = document.activeElement; return (e.name || e.textContent).trim() })()`)
			if seen = append(seen, at); at == want {
				if outline := eval[string](b, "getComputedStyle(document.activeElement).outlineStyle"); outline == "none" {
					t.Errorf("%s has the focus, and nobody can see it", want)
				}
				return
			}
		}
		t.Fatalf("Tab never comes to %q: %q", want, seen)
	}
	b.do(chromedp.Navigate(server.URL))
	b.until(`location.pathname === "/sign-in"`)
	walk("token")
	press(adminToken)
	walk("name")
	press("A. Operator\r")
	b.until(`location.pathname === "/"`)
	walk("Skip to content")
	press("\r")
	if on := eval[string](b, "document.activeElement.id"); on != "main" {
		t.Errorf("the skip link leads to %q", on)
	}
	b.do(chromedp.Navigate(server.URL))
	for _, label := range []string{"Enrichments", "Ledger", "Cache", "Clients", "Health", "Sources"} {
		walk(label)
		press("\r")
		b.until(fmt.Sprintf(`document.querySelector("nav [aria-current]").textContent === %q`, label))
	}
	walk("for")
	walk("reason")
	press("contract talks\r")
	b.until(`document.querySelector(".notice") !== null`)
	if got := backend.actions(); len(got) != 1 || got[0].Kind != PauseSource || got[0].Reason != "contract talks" || got[0].By != "A. Operator" || !got[0].Until.Equal(noon.Add(time.Hour)) {
		t.Errorf("%+v", got)
	}
}

// Without JavaScript every page is complete and every form works.
func TestWithoutJavaScript(t *testing.T) {
	browser := openBrowser(t)
	backend := story()
	_, server := page(t, backend, nil)
	b := openTab(t, browser)
	if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	wait := func(selector string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
		defer cancel()
		if err := chromedp.Do(ctx, chromedp.WaitVisible(chromedp.CSS(selector))); err != nil {
			t.Fatalf("%s: %v", selector, err)
		}
	}
	b.do(chromedp.Navigate(server.URL+"/cache?value=198.51.100.7"), chromedp.SendKeys(chromedp.CSS("[name=token]"), adminToken+"\r"))
	wait("[action='/actions/purge']")
	b.do(chromedp.SendKeys(chromedp.CSS("[action='/actions/purge'] [name=reason]"), "wrong answer\r"))
	wait(".notice.ok")
	if got := backend.actions(); len(got) != 1 || got[0].Kind != PurgeAnswers || got[0].Value != "198.51.100.7" {
		t.Errorf("%+v", got)
	}
	b.do(chromedp.Navigate(server.URL))
	wait("svg .line")
	wait(".decisions a")
}

// An open page follows the daemon, and leaves alone what somebody writes in.
func TestLiveInChromium(t *testing.T) {
	browser := openBrowser(t)
	backend := story()
	var mu sync.Mutex
	more := int64(0)
	_, server := page(t, backend, func(c *Config) {
		c.Reader = readerFunc{backend, func() State {
			mu.Lock()
			defer mu.Unlock()
			s := backend.state
			s.Sources = slices.Clone(s.Sources)
			s.Sources[0].Spent += more
			return s
		}}
	})
	b := openTab(t, browser)
	b.signIn(server.URL, readToken)
	b.until(`[...document.querySelectorAll("footer button")].some((e) => e.textContent === "Live")`)
	if !strings.Contains(eval[string](b, `document.querySelector("main").innerText`), "48,210 units") {
		t.Fatal("the story is another one")
	}
	mu.Lock()
	more = 111
	mu.Unlock()
	backend.version.Add(1)
	b.until(`document.querySelector("main").innerText.includes("48,321 units")`)
	if n := eval[int](b, "performance.getEntriesByType('navigation').length"); n != 1 {
		t.Errorf("%d navigations", n)
	}
}

// readerFunc lets a test change what the backend says.
type readerFunc struct {
	Reader
	state func() State
}

func (r readerFunc) State(context.Context) State { return r.state() }
