package opencti

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// departures remember which requests have left. Each is noted in a file without
// waiting for the disk, because the note must stand next to the write of the
// request's last byte: whatever a process has written to a file is still there
// when the process is killed. Only a machine that goes down may lose it, and
// after that (the kernel says which boot this is) the notes say nothing: then
// the journal, which was synced before, decides alone. Safe for concurrent use.
type departures struct {
	path string
	boot string
	now  func() time.Time
	most int // notes a file

	mu   sync.Mutex
	file *os.File
	size int64 // of the younger file, up to its last whole note
	// notes of the two files, and how many the younger holds.
	young, old map[departure]struct{}
	// since is when the older file was begun: there is no note from before.
	since, begun time.Time
}

// departure is the digest of a message's key and of the attempt.
type departure [sha256.Size]byte

func departureOf(key string, attempt int) departure {
	return sha256.Sum256([]byte(strconv.Itoa(attempt) + "#" + key))
}

const (
	departuresFormat = "enrichgate-left/1"
	// departuresMost bounds a file to 2 MiB. A message that comes again was
	// answered a moment ago, not two files ago.
	departuresMost = 1 << 16
)

// bootID names this run of the machine; empty where the kernel does not say.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

// openDepartures reads the notes of this boot and goes on with them.
func openDepartures(path, boot string, now func() time.Time) (*departures, error) {
	d := &departures{path: path, boot: boot, now: now, most: departuresMost, young: map[departure]struct{}{}, old: map[departure]struct{}{}}
	begun, size, notes, err := d.read(path)
	if err != nil {
		return nil, err
	}
	if begun.IsZero() {
		return d, d.begin()
	}
	d.begun, d.since, d.young, d.size = begun, begun, notes, size
	if before, _, notes, err := d.read(d.older()); err != nil {
		return nil, err
	} else if !before.IsZero() {
		d.since, d.old = before, notes
	}
	d.file, err = os.OpenFile(path, os.O_WRONLY, 0o600)
	return d, err
}

func (d *departures) older() string { return d.path + ".old" }

// read gives the zero time for a file that is not there, or not of this boot.
// size is that of its whole notes.
func (d *departures) read(path string) (begun time.Time, size int64, notes map[departure]struct{}, err error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return begun, 0, nil, nil
	}
	if err != nil {
		return begun, 0, nil, err
	}
	content, err := io.ReadAll(io.LimitReader(f, int64(departuresMost+8)*sha256.Size))
	if err = errors.Join(err, f.Close()); err != nil {
		return begun, 0, nil, err
	}
	head, rest, _ := bytes.Cut(content, []byte("\n"))
	words := strings.Fields(string(head))
	if d.boot == "" || len(words) != 3 || words[0] != departuresFormat || words[1] != d.boot {
		return begun, 0, nil, nil
	}
	nanos, err := strconv.ParseInt(words[2], 10, 64)
	if err != nil {
		return begun, 0, nil, nil
	}
	notes = map[departure]struct{}{}
	for ; len(rest) >= sha256.Size; rest = rest[sha256.Size:] {
		notes[departure(rest[:sha256.Size])] = struct{}{}
	}
	return time.Unix(0, nanos), int64(len(content) - len(rest)), notes, nil
}

// begin begins the younger file anew.
func (d *departures) begin() error {
	f, err := os.OpenFile(d.path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	begun := d.now()
	size, err := fmt.Fprintf(f, "%s %s %d\n", departuresFormat, d.boot, begun.UnixNano())
	if err != nil {
		return errors.Join(err, f.Close())
	}
	d.file, d.begun, d.young, d.size = f, begun, map[departure]struct{}{}, int64(size)
	if len(d.old) == 0 {
		d.since = begun
	}
	return nil
}

// note says that a request leaves now.
func (d *departures) note(key string, attempt int) error {
	id := departureOf(key, attempt)
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.young) >= d.most {
		if err := d.turn(); err != nil {
			return err
		}
	}
	// At its place and not at the end, where a full disk or a kill may have left
	// a part of one.
	if _, err := d.file.WriteAt(id[:], d.size); err != nil {
		return err
	}
	d.size += int64(len(id))
	d.young[id] = struct{}{}
	return nil
}

// turn makes the younger file the older one.
func (d *departures) turn() error {
	if err := errors.Join(d.file.Close(), os.Rename(d.path, d.older())); err != nil {
		return err
	}
	d.old, d.since = d.young, d.begun
	return d.begin()
}

// contradict says that a request of which the journal says that it left, as of a
// time and in a boot of the machine, certainly did not.
func (d *departures) contradict(key string, attempt int, boot string, at time.Time) bool {
	id := departureOf(key, attempt)
	d.mu.Lock()
	defer d.mu.Unlock()
	if boot == "" || boot != d.boot || !at.After(d.since) {
		return false
	}
	_, young := d.young[id]
	_, old := d.old[id]
	return !young && !old
}

func (d *departures) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.file.Close()
}
