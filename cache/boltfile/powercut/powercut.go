// Package powercut is a disk for tests that loses power, fills up and fails.
//
// It is a filesystem of its own process, mounted by FUSE. What is written stays
// in its memory until the file is synced; Cut forgets everything else, or keeps
// a random part of the pages, as a disk may that was writing when the power
// went. A test that passes on it without calling fsync does not exist: that is
// what it is for.
//
// It must be a process of its own: a page fault of a memory-mapped file stops a
// thread of the process that has mapped it, and with it, sooner or later, a
// server in the same process. So a test binary that uses it calls Serve first
// thing in its TestMain.
package powercut

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// childEnv marks the process that serves the filesystem.
const childEnv = "POWERCUT_SERVE"

// Serve returns at once in a test binary; in the process that a Disk started it
// serves the filesystem and never returns.
func Serve() {
	if dir, ok := os.LookupEnv(childEnv); ok {
		if err := serve(dir, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "powercut:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
}

// Disk is a mounted filesystem. It is safe for concurrent use by one test.
type Disk struct {
	tb  testing.TB
	in  io.WriteCloser
	out *json.Decoder
	dir string
}

// New mounts a disk for the test. Without FUSE the test is skipped, or fails if
// CI=true.
func New(tb testing.TB) *Disk {
	tb.Helper()
	if _, err := os.Stat("/dev/fuse"); err != nil || os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			tb.Fatal("a disk that loses power needs /dev/fuse and root")
		}
		tb.Skip("SKIPPED, NOT TESTED: a disk that loses power needs /dev/fuse and root")
	}
	top, err := os.MkdirTemp("", "powercut-")
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+top)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	in, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	d := &Disk{tb: tb, in: in, out: json.NewDecoder(bufio.NewReader(out))}
	tb.Cleanup(func() {
		_ = in.Close() // it unmounts and ends
		if err := errors.Join(cmd.Wait(), os.RemoveAll(top)); err != nil {
			tb.Logf("powercut: %v", err)
		}
	})
	d.dir = d.tell(command{Op: "mount"}).Dir
	return d
}

// Path is a file of the disk as it is mounted now.
func (d *Disk) Path(name string) string { return filepath.Join(d.dir, name) }

// Cut switches the power off: of what was not synced each page is kept with the
// given share, chosen by seed, and everything that is asked of the disk from
// now on fails. Restore brings it back.
func (d *Disk) Cut(seed uint64, share float64) {
	d.tb.Helper()
	d.tell(command{Op: "cut", Seed: seed, Share: share})
}

// Restore switches the power on. The files are at other paths than before.
func (d *Disk) Restore() {
	d.tb.Helper()
	d.dir = d.tell(command{Op: "mount"}).Dir
}

// FailSyncs lets every fsync fail with EIO, after so many that succeed, until
// Heal. What a failed one was to write is forgotten, as Linux does.
func (d *Disk) FailSyncs(after int) { d.tb.Helper(); d.tell(command{Op: "failsync", After: after}) }

// FailWrites lets every write fail with ENOSPC, after so many that succeed,
// until Heal.
func (d *Disk) FailWrites(after int) { d.tb.Helper(); d.tell(command{Op: "failwrite", After: after}) }

// Heal ends FailSyncs and FailWrites.
func (d *Disk) Heal() { d.tb.Helper(); d.tell(command{Op: "heal"}) }

// Counts are the writes and syncs that the disk has seen.
func (d *Disk) Counts() (writes, syncs int) {
	d.tb.Helper()
	r := d.tell(command{Op: "counts"})
	return r.Writes, r.Syncs
}

// command is what a test tells the disk, reply what it answers.
type command struct {
	Op    string
	Seed  uint64
	Share float64
	After int
}

type reply struct {
	Dir           string
	Writes, Syncs int
	Error         string
}

func (d *Disk) tell(c command) (r reply) {
	d.tb.Helper()
	err := json.NewEncoder(d.in).Encode(c)
	if err == nil {
		err = d.out.Decode(&r)
	}
	if err == nil && r.Error != "" {
		err = errors.New(r.Error)
	}
	if err != nil {
		d.tb.Fatalf("powercut: %s: %v", c.Op, err)
	}
	return r
}
