package quota

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ErrMisplaced means that the ledger's file was removed or replaced. Nothing may
// be spent until it is back in its place.
var ErrMisplaced = errors.New("the ledger's file is not in its place")

// misplaced says that the path does not lead to the open file. What is written
// to a file that was removed succeeds, and is gone at the next start.
type misplaced string

func (m misplaced) Error() string { return string(m) }

// Is makes it an ErrMisplaced.
func (m misplaced) Is(target error) bool { return target == ErrMisplaced }

// pin holds the file open until Close, beside the database that mend closes: as
// long as it is, no other file has its number.
func (l *Ledger) pin() (err error) {
	if l.file == nil {
		l.file, err = os.Open(l.path)
	}
	return err
}

// inPlace says why the path does not lead to the file that was opened; nil when
// it does. It does not need the lock.
func (l *Ledger) inPlace() error {
	opened, err := l.file.Stat()
	if err != nil {
		return misplaced(err.Error())
	}
	there, err := os.Stat(l.path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR), err == nil && !os.SameFile(opened, there):
		return misplaced(filepath.Base(l.path) + " is not the file that was opened: it was removed or replaced")
	case err != nil:
		return misplaced(err.Error())
	}
	return nil
}

// look notices that the file was removed or replaced, or that it is back in its
// place. The writer looks before each turn, and while nobody asks for anything,
// so that Healthy knows.
func (l *Ledger) look() {
	err := l.inPlace()
	l.mu.Lock()
	defer l.mu.Unlock()
	_, away := errors.AsType[misplaced](l.broken)
	switch {
	case err != nil && l.broken == nil:
		l.fail(err)
	case err == nil && away:
		_ = l.mend() // what is still wrong is in l.broken
	}
}

// fail takes note of why nothing can be written. The caller holds the lock.
func (l *Ledger) fail(err error) {
	l.broken = fmt.Errorf("%w: %w", ErrNotDurable, err)
	l.failed.Store(true)
}
