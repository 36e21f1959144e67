package dashboards

import (
	"math"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// visitor is who looks at a page.
type visitor struct {
	session
	id string // of the session; "" without one
}

// visitor says who comes.
func (p *Page) visitor(r *http.Request) visitor {
	if c, err := r.Cookie(cookieName(r)); err == nil {
		if s, ok := p.sessions.find(c.Value); ok {
			return visitor{s, c.Value}
		}
	}
	if p.open() && forLoopback(r.Host) {
		return visitor{session: session{role: reader}}
	}
	return visitor{}
}

// open says that looking needs no sign-in, because there is no token to sign in with.
func (p *Page) open() bool { return p.cfg.ReadToken == "" && p.cfg.AdminToken == "" }

// forLoopback says that the request was meant for this host by a name that
// nobody else can give away.
func forLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// seen lets those through who may look, and sends the others to the sign-in.
func (p *Page) seen(show func(http.ResponseWriter, *http.Request, visitor)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := p.visitor(r)
		switch {
		case v.role >= reader:
			show(w, r, v)
		case r.Method != http.MethodGet || r.Header.Get("X-Live") != "" || r.URL.Path == "/live":
			http.Error(w, "sign in first", http.StatusUnauthorized)
		case p.open():
			http.Error(w, "without a token this page is shown on this host only: open it as http://localhost or http://127.0.0.1", http.StatusForbidden)
		default:
			http.Redirect(w, r, "/sign-in?to="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		}
	}
}

// signInView is what the sign-in form shows.
type signInView struct {
	To, Name, Problem string
}

func (p *Page) signInForm(w http.ResponseWriter, r *http.Request) {
	p.showSignIn(w, r, http.StatusOK, signInView{To: local(r.FormValue("to"))})
}

func (p *Page) showSignIn(w http.ResponseWriter, r *http.Request, status int, v signInView) {
	p.render(w, r, p.visitor(r), status, "sign-in", "Sign in", v)
}

func (p *Page) signIn(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, "the form cannot be read", http.StatusBadRequest)
		return
	}
	form := signInView{To: local(r.PostForm.Get("to")), Name: clip(r.PostForm.Get("name"), 60)}
	if wait := p.attempts.wait(r.RemoteAddr); wait > 0 {
		seconds := strconv.Itoa(int(math.Ceil(wait.Seconds())))
		w.Header().Set("Retry-After", seconds)
		form.Problem = "Too many tries. Wait " + seconds + " seconds."
		p.showSignIn(w, r, http.StatusTooManyRequests, form)
		return
	}
	token := strings.TrimSpace(r.PostForm.Get("token"))
	// Both are compared whatever the first says.
	isAdmin, isReader := same(token, p.cfg.AdminToken), same(token, p.cfg.ReadToken)
	got := nobody
	switch {
	case isAdmin:
		got = admin
	case isReader:
		got = reader
	default:
		p.cfg.Log.Warn("a sign-in to the page was refused", "remote", r.RemoteAddr)
		form.Problem = "That token is not valid."
		p.showSignIn(w, r, http.StatusUnauthorized, form)
		return
	}
	p.attempts.succeeded(r.RemoteAddr)
	if old := p.visitor(r); old.id != "" {
		p.sessions.close(old.id)
	}
	http.SetCookie(w, sessionCookie(r, p.sessions.open(got, form.Name), int(sessionLife.Seconds())))
	http.Redirect(w, r, form.To, http.StatusSeeOther)
}

func (p *Page) signOut(w http.ResponseWriter, r *http.Request) {
	v := p.visitor(r)
	if v.id == "" || !same(r.PostFormValue("csrf"), v.csrf) {
		http.Error(w, "the form has expired; go back and reload the page", http.StatusForbidden)
		return
	}
	p.sessions.close(v.id)
	http.SetCookie(w, sessionCookie(r, "", -1))
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// themes that a visitor may choose; "" is what the system prefers.
var themes = [...]string{"", "light", "dark"}

// setTheme keeps the choice in a cookie, so that it works without a script.
func setTheme(w http.ResponseWriter, r *http.Request) {
	for _, t := range themes {
		if r.PostFormValue("theme") == t {
			c := &http.Cookie{Name: "theme", Value: t, Path: "/", MaxAge: 365 * 24 * 3600, HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: secure(r)}
			if t == "" {
				c.MaxAge = -1
			}
			http.SetCookie(w, c)
		}
	}
	http.Redirect(w, r, local(r.PostFormValue("to")), http.StatusSeeOther)
}

func themeOf(r *http.Request) string {
	if c, err := r.Cookie("theme"); err == nil && (c.Value == "light" || c.Value == "dark") {
		return c.Value
	}
	return ""
}

// local is the path if it is one of this page's, else the overview's.
func local(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n\t") {
		return "/"
	}
	return to
}

// clip bounds what a visitor may write into the audit.
func clip(s string, n int) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "")), " ")
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}
