package dashboards

import (
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Config of a Page. All but the tokens, Admin, Version and Now are required.
type Config struct {
	Reader    Reader
	Decisions Decisions
	Books     Books
	Answers   Answers
	// Admin carries out actions; nil means that there are none.
	Admin Admin
	// ReadToken signs in for looking, AdminToken for acting too; an empty one
	// lets nobody in. Without either the listener is on loopback, and whoever
	// reaches it may look.
	ReadToken, AdminToken string
	// Version of the daemon, as it is shown.
	Version string
	Log     *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Shown is the clock that the State is dated by, and ages and resets are
	// told by; nil means Now.
	Shown func() time.Time
}

// Page is the web page, an http.Handler for "/".
type Page struct {
	cfg      Config
	views    *views
	files    map[string]file
	sessions *sessions
	attempts *attempts
	handler  http.Handler

	streams atomic.Int64 // open pages that are told
	closing sync.Once
	closed  chan struct{} // closed by Close: the live streams end
}

// New builds a Page.
func New(c Config) *Page {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Shown == nil {
		c.Shown = c.Now
	}
	p := &Page{cfg: c, files: embedded(), sessions: newSessions(c.Now), attempts: newAttempts(c.Now), closed: make(chan struct{})}
	p.views = parseViews(p.files)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /assets/{name}", p.asset)
	mux.HandleFunc("GET /sign-in", p.signInForm)
	mux.HandleFunc("POST /sign-in", p.signIn)
	mux.HandleFunc("POST /sign-out", p.signOut)
	mux.HandleFunc("POST /theme", setTheme)
	for pattern, show := range map[string]func(http.ResponseWriter, *http.Request, visitor){
		"GET /{$}":              p.overview,
		"GET /enrichments":      p.enrichments,
		"GET /enrichments/{id}": p.enrichment,
		"GET /ledger":           p.ledger,
		"GET /ledger.csv":       p.export(CSV, "text/csv; charset=utf-8"),
		"GET /ledger.jsonl":     p.export(JSONL, "application/x-ndjson"),
		"GET /cache":            p.cache,
		"GET /clients":          p.clients,
		"GET /sources":          p.sources,
		"GET /health":           p.health,
		"GET /lookup":           p.lookup,
		"GET /live":             p.live,
		"/":                     p.missing,
	} {
		mux.HandleFunc(pattern, p.seen(show))
	}
	mux.HandleFunc("POST /actions/{kind}", p.act)
	p.handler = harden(http.NewCrossOriginProtection().Handler(mux))
	return p
}

// ServeHTTP implements http.Handler.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

// Close ends the live streams, so that a server's shutdown need not wait for them.
func (p *Page) Close() { p.closing.Do(func() { close(p.closed) }) }

// maxForm bounds what a form may send.
const maxForm = 16 << 10

// harden sets the headers of every answer.
func harden(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		next.ServeHTTP(w, r)
	})
}
