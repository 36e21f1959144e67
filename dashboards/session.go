package dashboards

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"sync"
	"time"
)

// role is what a visitor may do.
type role uint8

const (
	nobody role = iota
	reader
	admin
)

// session is one signed-in browser.
type session struct {
	role role
	// name is what the visitor calls themselves; it stands in the audit.
	name string
	// csrf is the token that every form of this session carries.
	csrf    string
	expires time.Time
	// notice is shown on the next page, once.
	notice notice
}

// notice is what became of a form.
type notice struct {
	Text   string
	Failed bool
}

const (
	sessionLife = 12 * time.Hour
	// maxSessions bounds the memory that sign-ins take; the oldest goes first.
	maxSessions = 256
)

// sessions are kept in memory only: a restart signs everybody out.
type sessions struct {
	now func() time.Time

	mu   sync.Mutex
	byID map[string]*session
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{now: now, byID: map[string]*session{}}
}

// open starts a session and returns its secret id.
func (s *sessions) open(r role, name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	oldest := ""
	for id, one := range s.byID {
		if !one.expires.After(now) {
			delete(s.byID, id)
		} else if oldest == "" || one.expires.Before(s.byID[oldest].expires) {
			oldest = id
		}
	}
	if len(s.byID) >= maxSessions {
		delete(s.byID, oldest)
	}
	id := rand.Text() + rand.Text()
	s.byID[id] = &session{role: r, name: name, csrf: rand.Text(), expires: now.Add(sessionLife)}
	return id
}

// find returns a copy, and false when there is no such session.
func (s *sessions) find(id string) (session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.byID[id]
	if one == nil || !one.expires.After(s.now()) {
		return session{}, false
	}
	return *one, true
}

func (s *sessions) close(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, id)
}

// tell leaves a notice for the session's next page.
func (s *sessions) tell(id string, n notice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.byID[id]; one != nil {
		one.notice = n
	}
}

// told takes the notice.
func (s *sessions) told(id string) (n notice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.byID[id]; one != nil {
		n, one.notice = one.notice, notice{}
	}
	return n
}

// cookieName of the session. Over TLS its prefix makes browsers hold it to this
// very host.
func cookieName(r *http.Request) string {
	if secure(r) {
		return "__Host-enrichgate"
	}
	return "enrichgate"
}

// secure says that the browser speaks TLS, with us or with a proxy before us.
// Who lies about it only loses the own cookie.
func secure(r *http.Request) bool {
	return r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https"
}

// sessionCookie keeps the id for seconds; a negative number deletes it.
func sessionCookie(r *http.Request, id string, seconds int) *http.Cookie {
	return &http.Cookie{
		Name: cookieName(r), Value: id, Path: "/", MaxAge: seconds,
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: secure(r),
	}
}

// same compares in constant time, lengths included. An empty want is never met.
func same(got, want string) bool {
	a, b := sha256.Sum256([]byte(got)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1 && want != ""
}
