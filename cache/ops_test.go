package cache

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// However odd the parts of a key are, it says where they end.
func TestKeyPartsCannotBeForged(t *testing.T) {
	part := rapid.StringOf(rapid.SampledFrom([]rune{0, 1, 2, 'a', 'ä', '\n'}))
	rapid.Check(t, func(t *rapid.T) {
		a, b := [4]string{}, [4]string{}
		for i := range a {
			a[i], b[i] = part.Draw(t, "a"), part.Draw(t, "b")
		}
		k := NewKey(a[0], a[1], a[2], a[3])
		var back [4]string
		if back[0], back[1], back[2], back[3] = k.Parts(); back != a {
			t.Fatalf("%q became %q", a, back)
		}
		if a != b && k == NewKey(b[0], b[1], b[2], b[3]) {
			t.Fatalf("%q and %q share a key", a, b)
		}
	})
}

func TestPurge(t *testing.T) {
	now := newClock()
	c := open(t, file(t), Options{Now: now.now})
	store := func(source, endpoint, value string) Key {
		k := NewKey(source, endpoint, value, "")
		if err := c.Put(k, now.entry([]byte("x"), time.Hour, time.Hour)); err != nil {
			t.Fatal(err)
		}
		return k
	}
	fill(t, c, 0, 2*step+5, func(i int) (Key, *Entry) { return keyN("many", i), now.entry([]byte("x"), time.Hour, 0) })
	old := store("a", "one", "v")
	now.advance(time.Minute)
	cut := now.now()
	a1, a2, b1 := store("a", "one", "w"), store("a", "two", "v"), store("b", "one", "v")
	c.memory.store.Wait()
	for _, p := range []struct {
		filter Filter
		want   int
		gone   []Key
		stay   []Key
	}{
		{Filter{Source: "none"}, 0, nil, []Key{old, a1, a2, b1}},
		{Filter{Source: "a", StoredBefore: cut}, 1, []Key{old}, []Key{a1, a2, b1}},
		{Filter{Endpoint: "two"}, 1, []Key{a2}, []Key{a1, b1}},
		{Filter{Source: "b", Endpoint: "one", Value: "v"}, 1, []Key{b1}, []Key{a1}},
		{Filter{Source: "many"}, 2*step + 5, []Key{keyN("many", 7)}, []Key{a1}},
		{Filter{}, 1, []Key{a1}, nil},
	} {
		n, err := c.Purge(t.Context(), p.filter)
		if err != nil || n != p.want {
			t.Errorf("%+v: %d, %v; want %d", p.filter, n, err, p.want)
		}
		for _, k := range p.gone {
			if state(t, c, k) != Gone {
				t.Errorf("%+v: %q is still there", p.filter, k)
			}
		}
		for _, k := range p.stay {
			if state(t, c, k) != Fresh {
				t.Errorf("%+v: %q is gone", p.filter, k)
			}
		}
		checkFile(t, c)
	}
	total := uint64(0)
	for _, s := range c.Stats().Sources {
		total += s.Purged
	}
	if total != 2*step+5+4 {
		t.Errorf("%d purged", total)
	}
}

// Emptying the file leaves nothing of its contents in it; so does a compaction.
func TestNothingIsLeftOfWhatWasPurged(t *testing.T) {
	for name, erase := range map[string]func(*Cache) error{
		"all": func(c *Cache) error { _, err := c.Purge(t.Context(), Filter{}); return err },
		"one, compacted": func(c *Cache) error {
			_, err := c.Purge(t.Context(), Filter{Value: "secret.example"})
			return errors.Join(err, c.Compact(t.Context()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := file(t)
			c := open(t, path, Options{})
			if err := c.Put(NewKey("s", "e", "secret.example", ""), entry("hidden-answer-0123456789", time.Hour, 0)); err != nil {
				t.Fatal(err)
			}
			if err := erase(c); err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(path)
			if err != nil || bytes.Contains(b, []byte("secret.example")) || bytes.Contains(b, []byte("hidden-answer")) {
				t.Errorf("it is still in the file, %v", err)
			}
		})
	}
}

// What a purge or a delete has removed does not come back from a reader who had
// read it just before, nor from a late ristretto.
func TestDeletedStaysDeleted(t *testing.T) {
	c := open(t, file(t), Options{})
	for i := range 200 {
		k := keyN("s", i)
		if err := c.Put(k, entry("x", time.Hour, 0)); err != nil {
			t.Fatal(err)
		}
		// A reader that has read the disk, and has not yet told memory.
		id := c.disk.codec.id(k)
		version := c.memory.version(id)
		e, err := c.disk.get(id, k)
		if err != nil || e == nil {
			t.Fatal(err)
		}
		if err := c.Delete(k); err != nil {
			t.Fatal(err)
		}
		c.memory.set(k, e, id, version)
		c.memory.store.Wait()
		if s := state(t, c, k); s != Gone {
			t.Fatalf("entry %d came back: %s", i, s)
		}
	}
}

// Memory is a hint: one that drops everything gives the same answers.
func TestWithoutMemoryNothingChanges(t *testing.T) {
	for _, forgetful := range []bool{false, true} {
		t.Run(fmt.Sprint("forgetful ", forgetful), func(t *testing.T) {
			now := newClock()
			c := open(t, file(t), Options{Now: now.now})
			c.memory.forgetful = forgetful
			if err := c.disk.alone(t.Context(), func() error { c.disk.db.NoSync = true; return nil }); err != nil { // for speed
				t.Fatal(err)
			}
			rounds := 0
			rapid.Check(t, func(t *rapid.T) {
				model, round := map[Key]*Entry{}, fmt.Sprint(rounds)
				rounds++
				for i := range 12 {
					k := keyN(round, rapid.IntRange(0, 3).Draw(t, "key"))
					switch rapid.IntRange(0, 4).Draw(t, "what") {
					case 0:
						e := now.entry([]byte(fmt.Sprint(i)), time.Duration(rapid.IntRange(1, 3).Draw(t, "fresh"))*time.Hour, time.Hour)
						if err := c.Put(k, e); err != nil {
							t.Fatal(err)
						}
						model[k] = e
					case 1:
						if err := c.Delete(k); err != nil {
							t.Fatal(err)
						}
						delete(model, k)
					case 2:
						now.advance(30 * time.Minute)
					default:
						e, s, origin, err := c.Get(k)
						want := Gone
						if m := model[k]; m != nil {
							want = m.State(now.now())
						}
						if err != nil || s != want || want != Gone && string(e.Body) != string(model[k].Body) {
							t.Fatalf("%q: %s, %v; want %s", k, s, err, want)
						}
						if forgetful && origin == Memory {
							t.Fatal("answered from memory")
						}
					}
				}
			})
		})
	}
}

func TestEncryption(t *testing.T) {
	path := file(t)
	secret, other := bytes.Repeat([]byte{7}, 32), bytes.Repeat([]byte{8}, 32)
	k := NewKey("source-name", "endpoint-name", "looked-up.example", "plan-name")
	c := open(t, path, Options{Key: secret})
	if err := c.Put(k, entry("answer-in-clear", time.Hour, 0)); err != nil || !c.Stats().Encrypted {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	for _, word := range []string{"looked-up", "answer-in", "endpoint-name", "plan-name"} {
		if err != nil || bytes.Contains(b, []byte(word)) {
			t.Errorf("%q is in the file, %v", word, err)
		}
	}
	for _, wrong := range []struct {
		key  []byte
		says string
	}{{other, "another key"}, {nil, "encrypted and no key"}, {secret[:31], "31 bytes"}} {
		if _, err := Open(path, Options{Key: wrong.key}); !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), wrong.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("key of %d bytes: %v", len(wrong.key), err)
		}
	}
	c = open(t, path, Options{Key: secret})
	if e, s, _, err := c.Get(k); err != nil || s != Fresh || string(e.Body) != "answer-in-clear" {
		t.Errorf("%v %v", s, err)
	}
	if err := c.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Purged, the file may become one without encryption, and back.
	for _, key := range [][]byte{nil, secret, other} {
		if _, err := c.Purge(t.Context(), Filter{}); err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		c = open(t, path, Options{Key: key})
		if err := c.Put(k, entry("x", time.Hour, 0)); err != nil || c.Stats().Encrypted != (key != nil) {
			t.Fatal(err)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	plain := file(t)
	c = open(t, plain, Options{})
	if err := errors.Join(c.Put(k, entry("x", time.Hour, 0)), c.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(plain, Options{Key: secret}); !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), "export") {
		t.Errorf("a key for a plain file: %v", err)
	}
}

func TestLoadKey(t *testing.T) {
	raw := []byte("\n23456789012345678901234567890\x00\xff")
	for name, content := range map[string]string{
		"raw": string(raw), "hex": hex.EncodeToString(raw), "hex with an end": strings.ToUpper(hex.EncodeToString(raw)) + "\r\n",
		"base64": base64.StdEncoding.EncodeToString(raw) + "\n", "base64url": base64.RawURLEncoding.EncodeToString(raw),
		"too short": "abcd", "empty": "", "too long": strings.Repeat("ab", 33),
	} {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		key, err := LoadKey(path)
		bad := strings.HasPrefix(name, "too") || name == "empty"
		if bad != (err != nil) || !bad && !bytes.Equal(key, raw) {
			t.Errorf("%s: %x, %v", name, key, err)
		}
		if err != nil && content != "" && strings.Contains(err.Error(), content) {
			t.Errorf("%s: the error shows the content: %v", name, err)
		}
	}
	if _, err := LoadKey(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no file, and a key")
	}
}

// Export and Import carry every byte and every time, and never make an entry older.
func TestExportImport(t *testing.T) {
	now := newClock()
	from := open(t, file(t), Options{Now: now.now})
	bodies := []string{`{"a": 1,  "b":"<&>\u2028"}`, "{\n}", "", "not json", " {}", "\xff\x00", `"` + strings.Repeat("x", 100_000) + `"`, "null"}
	for i, body := range bodies {
		e := now.entry([]byte(body), time.Hour, time.Duration(i)*time.Minute)
		e.Kind, e.Status, e.ContentType = uint8(i), 200+i, "application/json"
		if err := from.Put(NewKey("s", "e", fmt.Sprint("v", i), "\x00odd"), e); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if n, err := from.Export(t.Context(), &out, Filter{}); err != nil || n != len(bodies) || strings.Count(out.String(), "\n") != n {
		t.Fatalf("%d, %v", n, err)
	}
	to := open(t, file(t), Options{Now: now.now, Key: bytes.Repeat([]byte{1}, 32)})
	newer, older := now.entry([]byte("newer"), time.Hour, 0), now.entry([]byte("older"), time.Hour, 0)
	newer.StoredAt, older.StoredAt = now.now().Add(time.Second), now.now().Add(-time.Second)
	if err := errors.Join(to.Put(NewKey("s", "e", "v0", "\x00odd"), newer), to.Put(NewKey("s", "e", "v1", "\x00odd"), older)); err != nil {
		t.Fatal(err)
	}
	sum, err := to.Import(t.Context(), bytes.NewReader(out.Bytes()))
	if err != nil || sum.Stored != len(bodies)-1 || sum.Kept != 1 || sum.Bad+sum.Gone != 0 {
		t.Fatalf("%+v, %v", sum, err)
	}
	bodies[0] = "newer"
	for i, body := range bodies {
		k := NewKey("s", "e", fmt.Sprint("v", i), "\x00odd")
		got, _, _, err := to.Get(k)
		want, _, _, _ := from.Get(k)
		if err != nil || got == nil || string(got.Body) != body {
			t.Fatalf("%d: %+v, %v", i, got, err)
		}
		if i > 0 && (got.Kind != want.Kind || got.Status != want.Status || got.ContentType != want.ContentType ||
			!got.StoredAt.Equal(want.StoredAt) || !got.FreshUntil.Equal(want.FreshUntil) || !got.StaleUntil.Equal(want.StaleUntil)) {
			t.Errorf("%d: %+v, want %+v", i, got, want)
		}
	}
	if sum, err := to.Import(t.Context(), bytes.NewReader(out.Bytes())); err != nil || sum.Stored != 0 || sum.Kept != len(bodies) {
		t.Errorf("again: %+v, %v", sum, err)
	}
	now.advance(100 * time.Hour)
	if sum, err := to.Import(t.Context(), bytes.NewReader(out.Bytes())); err != nil || sum.Gone != len(bodies) {
		t.Errorf("too late: %+v, %v", sum, err)
	}
}

func TestImportTellsBadLines(t *testing.T) {
	c := open(t, file(t), Options{})
	good := `{"source":"s","endpoint":"e","value":"%s","kind":1,"status":200,"stored_at":"2026-01-01T00:00:00Z","fresh_until":"2099-01-01T00:00:00Z","stale_until":"2099-01-01T00:00:00Z","body":{}}`
	lines := []string{
		fmt.Sprintf(good, "1"), "", "nonsense", `{}`, strings.Replace(fmt.Sprintf(good, "2"), `"body":{}`, `"body":{},"extra":1`, 1),
		strings.Replace(fmt.Sprintf(good, "3"), `"body":{}`, `"body_base64":"?"`, 1), strings.Replace(fmt.Sprintf(good, "4"), `,"body":{}`, ``, 1),
		strings.Replace(fmt.Sprintf(good, "5"), `2026`, `2090`, 1), strings.Replace(fmt.Sprintf(good, "6"), `:200`, `:2000`, 1),
		fmt.Sprintf(good, "7") + "{}", strings.Replace(fmt.Sprintf(good, "8"), `"s"`, `""`, 1), fmt.Sprintf(good, "9"),
	}
	sum, err := c.Import(t.Context(), strings.NewReader(strings.Join(lines, "\n")))
	if err != nil || sum.Stored != 2 || sum.Bad != 9 || len(sum.Errors) != 9 {
		t.Fatalf("%+v, %v", sum, err)
	}
	for i, e := range sum.Errors {
		if e.Line != i+3 || strings.Contains(e.Error(), "\n") || !strings.HasPrefix(e.Error(), fmt.Sprintf("line %d: ", i+3)) {
			t.Errorf("%v", e)
		}
	}
	broken := io.MultiReader(strings.NewReader(fmt.Sprintf(good, "10")+"\n"), errorReader{})
	if sum, err := c.Import(t.Context(), broken); err == nil || sum.Stored != 1 {
		t.Errorf("%+v, %v", sum, err)
	}
}

type errorReader struct{}

func (errorReader) Read([]byte) (int, error) { return 0, errors.New("the pipe broke") }

func FuzzImport(f *testing.F) {
	f.Add([]byte(`{"source":"s","endpoint":"e","value":"v","kind":1,"status":200,"stored_at":"2026-01-01T00:00:00Z","fresh_until":"2099-01-01T00:00:00Z","stale_until":"2099-01-01T00:00:00Z","body":{}}`))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		k, e, err := decodeLine(raw, time.Now())
		if err != nil {
			return
		}
		b, err := encodeLine(Item{Key: k, Entry: e})
		if err != nil {
			return // a year that JSON cannot say
		}
		k2, e2, err := decodeLine(bytes.TrimSuffix(b, []byte("\n")), time.Now())
		if err != nil || k2 != k || !bytes.Equal(e2.Body, e.Body) || !e2.StoredAt.Equal(e.StoredAt) {
			t.Errorf("%s became %s: %v", raw, b, err)
		}
	})
}

// The file is rewritten while answers are read, stored and removed; nothing that
// was acknowledged is missing after it, and nothing removed is back.
func TestCompactWhileInUse(t *testing.T) {
	path := file(t)
	c := open(t, path, Options{Memory: 1})
	const n = 2000
	fill(t, c, 0, n, func(i int) (Key, *Entry) { return keyN("s", i), entry(bodyN(i), time.Hour, 0) })
	fill(t, c, 0, n/2, func(i int) (Key, *Entry) { // waste
		if err := c.Delete(keyN("s", i)); err != nil {
			t.Error(err)
		}
		return "", nil
	})
	before := c.Stats()
	stop := make(chan struct{})
	var users sync.WaitGroup
	var put, deleted [4]atomic.Int64
	var slowest atomic.Int64
	for u := range 4 {
		users.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				began := time.Now()
				if err := c.Put(keyN(fmt.Sprint("u", u), i), entry(bodyN(i), time.Hour, 0)); err != nil {
					t.Error(err)
					return
				}
				slowest.Store(max(slowest.Load(), int64(time.Since(began))))
				put[u].Store(int64(i + 1))
				if i%3 == 0 {
					if err := c.Delete(keyN("s", n/2+u*200+i/3%200)); err != nil {
						t.Error(err)
					}
					deleted[u].Store(int64(min(200, i/3+1)))
				}
				if s := state(t, c, keyN("s", n-1)); s != Fresh {
					t.Errorf("the last is %s", s)
					return
				}
			}
		})
	}
	for range 5 {
		if err := c.Compact(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	users.Wait()
	check := func() {
		t.Helper()
		for u := range 4 {
			for i := range int(put[u].Load()) {
				if e, s, _, err := c.Get(keyN(fmt.Sprint("u", u), i)); err != nil || s != Fresh || string(e.Body) != bodyN(i) {
					t.Fatalf("u%d %d: %s, %v", u, i, s, err)
				}
			}
			for i := range int(deleted[u].Load()) {
				if s := state(t, c, keyN("s", n/2+u*200+i)); s != Gone {
					t.Fatalf("deleted and back: %d", i)
				}
			}
		}
		checkFile(t, c)
	}
	check()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c = open(t, path, Options{})
	check()
	t.Logf("%d bytes before, %d after; %d puts, the slowest took %s", before.SizeBytes, c.Stats().SizeBytes, put[0].Load(), time.Duration(slowest.Load()))
	if left, _ := filepath.Glob(path + ".*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A compaction that is given up leaves everything as it was.
func TestCompactGivenUp(t *testing.T) {
	path := file(t)
	c := open(t, path, Options{})
	fill(t, c, 0, 600, func(i int) (Key, *Entry) { return keyN("s", i), entry(bodyN(i), time.Hour, 0) })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Compact(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if left, _ := filepath.Glob(path + ".*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := c.Compact(t.Context()); err != nil {
		t.Error(err)
	}
	if n := readAll(t, c, 600); n != 600 {
		t.Errorf("%d", n)
	}
	checkFile(t, c)
}

func TestEachAndSurvey(t *testing.T) {
	now := newClock()
	c := open(t, file(t), Options{Now: now.now})
	fill(t, c, 0, 300, func(i int) (Key, *Entry) {
		return keyN([]string{"a", "b", "c"}[i%3], i), now.entry([]byte(bodyN(i)), time.Duration(1+i%3)*time.Hour, time.Hour)
	})
	now.advance(90 * time.Minute)
	ages, err := c.Survey(t.Context())
	if err != nil || ages["a"] != (Ages{Stale: 100}) || ages["b"] != (Ages{Fresh: 100}) {
		t.Errorf("%+v, %v", ages, err)
	}
	n := 0
	err = c.Each(t.Context(), Filter{Source: "a"}, func(it Item) error {
		n++
		if source, _, _, _ := it.Key.Parts(); source != "a" || it.State != Stale || it.Size <= 0 || len(it.Entry.Body) == 0 {
			t.Errorf("%+v", it)
		}
		return nil
	})
	if err != nil || n != 100 {
		t.Errorf("%d, %v", n, err)
	}
	enough := errors.New("enough")
	if err := c.Each(t.Context(), Filter{}, func(Item) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("%v", err)
	}
}

func TestTooSmallALimitIsRefused(t *testing.T) {
	if _, err := Open(file(t), Options{MaxDisk: MinDisk - 1}); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", err)
	}
}
