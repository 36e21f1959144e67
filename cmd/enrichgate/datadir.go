package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Files of the data directory.
const (
	fileLock    = "enrichgate.lock"
	fileLedger  = "ledger.db"
	fileCache   = "cache.db"
	fileJournal = "journal.db"
	fileClients = "clients.json"
	fileRepeats = "repeats.db"
	fileSavings = "savings.json"
	fileSocket  = "enrichgate.sock"
)

// holder is who has the data directory, as the lock file tells others.
type holder struct {
	PID     int       `json:"pid"`
	Host    string    `json:"host"`
	Command string    `json:"command"`
	Since   time.Time `json:"since"`
	// Socket is where the holder answers local commands; empty when it does not.
	Socket string `json:"socket,omitempty"`
}

// heldError means that another process has the data directory.
type heldError struct {
	dir string
	by  holder
}

func (e *heldError) Error() string {
	who := "another process"
	if e.by.PID != 0 {
		who = fmt.Sprintf("'enrichgate %s', process %d on %s since %s", e.by.Command, e.by.PID, e.by.Host, e.by.Since.Format(time.RFC3339))
	}
	return fmt.Sprintf("the data directory %s is held by %s", e.dir, who)
}

// dataDir is a data directory that this process holds alone.
type dataDir struct {
	path string
	lock *os.File
	by   holder
}

// holdDataDir takes the data directory, making it if need be. It never waits:
// one process owns the ledger, and the second must learn so at once.
func holdDataDir(path, command string) (*dataDir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := checkClosed(path); err != nil {
		return nil, err
	}
	if err := checkOurs(path); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(path, fileLock), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	// The kernel drops the lock with the process, however it ends.
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		by, _ := readHolder(path)
		return nil, errors.Join(&heldError{dir: path, by: by}, f.Close())
	}
	host, err := os.Hostname()
	if err != nil {
		host = "this host"
	}
	d := &dataDir{path: path, lock: f, by: holder{PID: os.Getpid(), Host: host, Command: command, Since: time.Now().UTC().Truncate(time.Second)}}
	if err := d.tell(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return d, nil
}

// tell writes who holds the directory, for those who come too late.
func (d *dataDir) tell() error {
	b, err := json.Marshal(d.by)
	if err != nil {
		return err
	}
	if err := d.lock.Truncate(0); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if _, err := d.lock.WriteAt(append(b, '\n'), 0); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	return nil
}

// listensAt says where this process answers local commands.
func (d *dataDir) listensAt(socket string) error {
	d.by.Socket = socket
	return d.tell()
}

func (d *dataDir) release() error {
	return errors.Join(d.lock.Truncate(0), d.lock.Close())
}

func (d *dataDir) file(name string) string { return filepath.Join(d.path, name) }

// readHolder reads who holds a directory; it may hold nobody.
func readHolder(path string) (by holder, err error) {
	b, err := os.ReadFile(filepath.Join(path, fileLock))
	if err != nil {
		return by, err
	}
	return by, json.Unmarshal(b, &by)
}

// checkLedger refuses a directory without a ledger, with the exit code of a
// wrong setting.
func checkLedger(path string) error {
	_, err := os.Stat(filepath.Join(path, fileLedger))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		err = fmt.Errorf("there is no ledger in the data directory %s: correct ENRICHGATE_DATA_DIR (or enrichgate.data_dir), or let 'enrichgate run' make one", path)
	}
	if err != nil {
		return &exitError{exitConfig, err}
	}
	return nil
}

// worldWritable says that everybody on the machine may make and rename files in
// a directory. The sticky bit does not help: it does not keep a stranger from
// putting files there before we do.
func worldWritable(info fs.FileInfo) bool { return info.Mode().Perm()&0o002 != 0 }

// checkClosed refuses a directory that everybody may write into, whoever owns it:
// a volume of root's is good.
func checkClosed(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if worldWritable(info) {
		return &exitError{exitConfig, fmt.Errorf("everybody may write into the data directory %s, and so change the ledger: chmod 700 %[1]s", path)}
	}
	return nil
}

// checkOurs refuses a directory that is full of other things and has nothing of
// ours: a mistyped path must not be moved into.
func checkOurs(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	var strange string
	for _, e := range entries {
		switch name := e.Name(); {
		case name == fileLedger, name == fileCache, name == fileJournal, name == fileLock:
			return nil
		case name == "lost+found", strings.HasPrefix(name, "."), strings.HasSuffix(name, ".new"):
		default:
			strange = name
		}
	}
	if strange != "" {
		return fmt.Errorf("the data directory %s holds other things (%s, for one) and nothing of enrichgate: give it a directory of its own", path, strange)
	}
	return nil
}
