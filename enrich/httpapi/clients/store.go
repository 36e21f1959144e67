package clients

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/enrichgate/enrichgate/quota"
)

// Why a token or a name is no good.
var (
	// ErrUnknown means that no client has this token, or this name.
	ErrUnknown = errors.New("no such client")
	// ErrExpired means that the client's time is over.
	ErrExpired = errors.New("the client's token has expired")
	// ErrExists means that the name is taken.
	ErrExists = errors.New("there is a client of that name")
)

// InvalidError is a client that there cannot be; nothing was changed.
type InvalidError struct{ Err error }

func (e *InvalidError) Error() string { return e.Err.Error() }

// Unwrap gives what Client.Check says.
func (e *InvalidError) Unwrap() error { return e.Err }

// Store is the file of clients, in memory. Safe for concurrent use.
type Store struct {
	path string
	now  func() time.Time

	mu      sync.Mutex
	records []record // by name
	seen    bool     // a LastUsedAt is not on disk
}

// Open reads the file; it is made at the first change. A nil now means time.Now.
func Open(path string, now func() time.Time) (*Store, error) {
	if now == nil {
		now = time.Now
	}
	records, err := read(path)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(records, byName)
	return &Store{path: path, now: now, records: records}, nil
}

// Close writes down when the clients were last seen.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.seen {
		return nil
	}
	return s.saveLocked(s.records)
}

// Reload reads the file again: somebody else may have written it. A file that is
// gone or cannot be understood changes nothing.
func (s *Store) Reload() (changed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.records
	records, err := read(s.path)
	if err == nil && records == nil && len(before) > 0 {
		err = fmt.Errorf("clients: %s is gone", s.path)
	}
	if err != nil {
		return false, err
	}
	slices.SortFunc(records, byName)
	for i, r := range records {
		j := slices.IndexFunc(before, func(b record) bool { return b.Name == r.Name && b.TokenSHA256 == r.TokenSHA256 })
		if j >= 0 && s.seen {
			records[i].LastUsedAt = before[j].LastUsedAt // later than the file's
		}
	}
	s.records = records
	return !slices.EqualFunc(before, records, sameButForUse), nil
}

// sameButForUse says that two records differ in when they were last used at most.
func sameButForUse(a, b record) bool {
	a.LastUsedAt, b.LastUsedAt = nil, nil
	return reflect.DeepEqual(a, b)
}

// List is every client, by name.
func (s *Store) List() []Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Client, 0, len(s.records))
	for _, r := range s.records {
		list = append(list, r.clone())
	}
	return list
}

// Budgets are the clients' limits at a source, by name, as the ledger wants
// them. Who has none is not among them.
func (s *Store) Budgets(source string) map[string][]quota.Limit {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string][]quota.Limit{}
	for _, r := range s.records {
		if limits := r.Limits(source); len(limits) > 0 {
			all[r.Name] = limits
		}
	}
	return all
}

// Authenticate finds the client that a token belongs to. Its errors are
// ErrUnknown and ErrExpired.
func (s *Store) Authenticate(token string) (Client, error) {
	hash := hashOf(token)
	s.mu.Lock()
	defer s.mu.Unlock()
	found := -1
	for i, r := range s.records { // all of them: where it stands must not show in the time
		if subtle.ConstantTimeCompare([]byte(hash), []byte(r.TokenSHA256)) == 1 {
			found = i
		}
	}
	if found < 0 {
		return Client{}, ErrUnknown
	}
	now := s.now().UTC()
	if s.records[found].Expired(now) {
		return Client{}, ErrExpired
	}
	at := now.Truncate(time.Second)
	s.records[found].LastUsedAt, s.seen = &at, true
	return s.records[found].clone(), nil
}

// Add makes a client and its token, which is returned this once.
func (s *Store) Add(c Client) (token string, err error) {
	c = c.clone()
	c.CreatedAt, c.LastUsedAt = s.now().UTC().Truncate(time.Second), nil
	if err := c.Check(); err != nil {
		return "", &InvalidError{err}
	}
	if c.Expired(c.CreatedAt) {
		return "", fmt.Errorf("client %s would have expired at %s", c.Name, c.ExpiresAt.Format(time.RFC3339))
	}
	token = newToken()
	s.mu.Lock()
	defer s.mu.Unlock()
	i, there := s.indexLocked(c.Name)
	if there {
		return "", fmt.Errorf("%w: %s", ErrExists, c.Name)
	}
	return token, s.saveLocked(slices.Insert(slices.Clone(s.records), i, record{Client: c, TokenSHA256: hashOf(token)}))
}

// Revoke ends a client. What it has spent stays in the ledger under its name.
func (s *Store) Revoke(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, there := s.indexLocked(name)
	if !there {
		return fmt.Errorf("%w: %.80q", ErrUnknown, name)
	}
	return s.saveLocked(slices.Delete(slices.Clone(s.records), i, i+1))
}

// SetBudget gives a client another budget at a source; an empty one takes it away.
func (s *Store) SetBudget(name, source, limits string) (Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, there := s.indexLocked(name)
	if !there {
		return Client{}, fmt.Errorf("%w: %.80q", ErrUnknown, name)
	}
	changed := slices.Clone(s.records)
	c := changed[i].clone()
	if c.Budgets == nil {
		c.Budgets = map[string]string{}
	}
	if c.Budgets[source] = strings.TrimSpace(limits); c.Budgets[source] == "" {
		delete(c.Budgets, source)
	}
	if err := c.Check(); err != nil {
		return Client{}, &InvalidError{err}
	}
	changed[i].Client = c
	return c.clone(), s.saveLocked(changed)
}

// saveLocked makes records the truth, on disk first.
func (s *Store) saveLocked(records []record) error {
	if err := write(s.path, records); err != nil {
		return err
	}
	s.records, s.seen = records, false
	return nil
}

func (s *Store) indexLocked(name string) (int, bool) {
	return slices.BinarySearchFunc(s.records, name, func(r record, name string) int { return strings.Compare(r.Name, name) })
}

func byName(a, b record) int { return strings.Compare(a.Name, b.Name) }
