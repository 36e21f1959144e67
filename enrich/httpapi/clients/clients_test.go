package clients

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func open(t *testing.T, path string, now func() time.Time) *Store {
	t.Helper()
	s, err := Open(path, now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestATokenIsShownOnceAndLives(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clients.json")
	now := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	s := open(t, path, clock)
	end := now.Add(time.Hour)
	token, err := s.Add(Client{Name: "soar", Sources: []string{"abuseipdb"}, Budgets: map[string]string{"abuseipdb": "10/day"}, MaxTLP: "TLP:GREEN", ExpiresAt: &end})
	if err != nil {
		t.Fatal(err)
	}
	if !LooksLikeToken(token) || LooksLikeToken(token[:len(token)-1]) || LooksLikeToken("egc_"+strings.Repeat("!", 43)) {
		t.Errorf("the form of %d characters is not told from others", len(token))
	}
	if raw, err := os.ReadFile(path); err != nil || strings.Contains(string(raw), token) || strings.Contains(string(raw), strings.TrimPrefix(token, prefix)) {
		t.Errorf("the token is in the file (%v)", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	c, err := s.Authenticate(token)
	if err != nil || c.Name != "soar" || !c.May("abuseipdb") || c.May("shodan") || len(c.Limits("abuseipdb")) != 1 || c.Limits("shodan") != nil {
		t.Errorf("%+v, %v", c, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = open(t, path, clock) // another life
	if list := s.List(); len(list) != 1 || list[0].LastUsedAt == nil || !list[0].LastUsedAt.Equal(now) {
		t.Errorf("%+v", list)
	}
	if _, err := s.Authenticate(token); err != nil {
		t.Error(err)
	}
	other := newToken()
	if _, err := s.Authenticate(other); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	now = end
	if _, err := s.Authenticate(token); !errors.Is(err, ErrExpired) {
		t.Error(err)
	}
	if err := s.Revoke("soar"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authenticate(token); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	if err := s.Revoke("soar"); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	if list := open(t, path, clock).List(); len(list) != 0 {
		t.Errorf("%+v", list)
	}
}

func TestBudgets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clients.json")
	s := open(t, path, nil)
	if _, err := s.Add(Client{Name: "soar", Sources: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Add(Client{Name: "soar"}); !errors.Is(err, ErrExists) {
		t.Error(err)
	}
	for _, bad := range []struct{ source, limits, want string }{
		{"a", "10/fortnight", "fortnight"}, {"a", "many", "not a limit"}, {"b", "10/day", "may not ask"},
	} {
		if _, err := s.SetBudget("soar", bad.source, bad.limits); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	if c, err := s.SetBudget("soar", "a", " 10/day, 100/month "); err != nil || len(c.Limits("a")) != 2 {
		t.Errorf("%+v, %v", c, err)
	}
	if list := open(t, path, nil).List(); list[0].Budgets["a"] != "10/day, 100/month" {
		t.Errorf("%+v", list)
	}
	if c, err := s.SetBudget("soar", "a", ""); err != nil || len(c.Budgets) != 0 {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := s.SetBudget("nobody", "a", "1/day"); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
}

func TestBadClientsAreRefused(t *testing.T) {
	past := time.Now().Add(-time.Hour)
	for want, c := range map[string]Client{
		"not a client's name": {Name: "Über"}, "may not ask": {Name: "x", Sources: []string{"a"}, Budgets: map[string]string{"b": "1/day"}},
		"own": {Name: "admin"}, "TLP": {Name: "x", MaxTLP: "TLP:PINK"}, "expired": {Name: "x", ExpiresAt: &past},
		"budget": {Name: "x", Budgets: map[string]string{"a": ""}}, "without a name": {Name: "x", Sources: []string{""}},
	} {
		s := open(t, filepath.Join(t.TempDir(), "clients.json"), nil)
		if token, err := s.Add(c); err == nil || token != "" || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", want, err)
		}
		if len(s.List()) != 0 {
			t.Errorf("%s: kept", want)
		}
	}
}

// A file that cannot be understood stops the start and is left as it is.
func TestADamagedFileIsRefused(t *testing.T) {
	hash := strings.Repeat("ab", 32)
	for want, content := range map[string]string{
		"not a file of clients": `{`, "format": `{"format":"x","clients":[]}`, "unknown field": `{"format":"` + format + `","clients":[],"more":1}`,
		"token_sha256":      `{"format":"` + format + `","clients":[{"name":"a","created_at":"2026-08-01T00:00:00Z","token_sha256":"abc"}]}`,
		"twice":             `{"format":"` + format + `","clients":[{"name":"a","created_at":"2026-08-01T00:00:00Z","token_sha256":"` + hash + `"},{"name":"b","created_at":"2026-08-01T00:00:00Z","token_sha256":"` + hash + `"}]}`,
		"follows its end":   `{"format":"` + format + `","clients":[]} {}`,
		"a client's name":   `{"format":"` + format + `","clients":[{"name":"../x","created_at":"2026-08-01T00:00:00Z","token_sha256":"` + hash + `"}]}`,
		"is not a whole nu": `{"format":"` + format + `","clients":[{"name":"a","budgets":{"s":"x/day"},"created_at":"2026-08-01T00:00:00Z","token_sha256":"` + hash + `"}]}`,
	} {
		path := filepath.Join(t.TempDir(), "clients.json")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
		if got, _ := os.ReadFile(path); string(got) != content {
			t.Errorf("%s: the file was changed", want)
		}
	}
}

// A change that the disk refuses is none.
func TestADiskThatRefuses(t *testing.T) {
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "gone", "clients.json"), nil)
	if _, err := s.Add(Client{Name: "soar"}); err == nil {
		t.Error("no error")
	}
	if len(s.List()) != 0 {
		t.Error("a client that is not on disk")
	}
}

func TestManyAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clients.json")
	s := open(t, path, nil)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			token, err := s.Add(Client{Name: fmt.Sprintf("c%d", i)})
			if err != nil {
				t.Error(err)
				return
			}
			for range 20 {
				if c, err := s.Authenticate(token); err != nil || c.Name != fmt.Sprintf("c%d", i) {
					t.Errorf("%+v, %v", c, err)
				}
				s.List()
			}
			if i%2 == 0 {
				if err := s.Revoke(fmt.Sprintf("c%d", i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if n := len(open(t, path, nil).List()); n != 4 {
		t.Errorf("%d clients", n)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"format":"` + format + `","clients":[{"name":"a","sources":["s"],"budgets":{"s":"1/day"},"max_tlp":"TLP:GREEN","created_at":"2026-08-01T00:00:00Z","token_sha256":"` + strings.Repeat("0f", 32) + `"}]}`))
	f.Add([]byte(`{"format":1}`))
	path := filepath.Join(f.TempDir(), "clients.json")
	f.Fuzz(func(t *testing.T, b []byte) {
		records, err := decode(b)
		if err != nil {
			return
		}
		// What is taken can be written, and is the same when it is read again.
		if err := write(path, records); err != nil {
			t.Fatal(err)
		}
		again, err := read(path)
		if err != nil || len(again) != len(records) {
			t.Errorf("%d became %d, %v", len(records), len(again), err)
		}
	})
}

// What somebody else wrote into the file is taken up; a file that is gone or
// damaged is not.
func TestReload(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clients.json")
	s, other := open(t, path, nil), open(t, path, nil)
	first, err := s.Add(Client{Name: "first"})
	if err != nil {
		t.Fatal(err)
	}
	if changed, err := other.Reload(); err != nil || !changed {
		t.Fatal(changed, err)
	}
	if changed, err := s.Reload(); err != nil || changed {
		t.Fatal(changed, err)
	}
	second, err := other.Add(Client{Name: "second"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authenticate(first); err != nil { // after the file was written
		t.Fatal(err)
	}
	if changed, err := s.Reload(); err != nil || !changed {
		t.Fatal(changed, err)
	}
	if list := s.List(); len(list) != 2 || list[0].LastUsedAt == nil {
		t.Errorf("%+v", list)
	}
	if _, err := s.Authenticate(second); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, damaged := s.Reload()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	_, gone := s.Reload()
	if damaged == nil || gone == nil || len(s.List()) != 2 {
		t.Errorf("%v, %v, %d clients", damaged, gone, len(s.List()))
	}
}
