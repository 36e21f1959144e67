package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"
)

// checkDataDir says whether the daemon could work there.
func checkDataDir(path string) finding {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return doubtful("on a machine that ran enrichgate before, correct ENRICHGATE_DATA_DIR or see whether the volume is mounted", "%s does not exist; it is made at the first start, with an empty ledger", path)
	case err != nil:
		return bad("let the user that runs enrichgate own it", "%v", err)
	case !info.IsDir():
		return bad("set ENRICHGATE_DATA_DIR to a directory", "%s is no directory", path)
	case worldWritable(info):
		return bad("chmod 700 "+path, "others may write into %s; enrichgate refuses it", path)
	case info.Mode().Perm()&0o007 != 0:
		return doubtful("chmod 700 "+path, "others may look into %s", path)
	}
	if by, err := readHolder(path); err == nil && by.PID != 0 {
		return good("in use by 'enrichgate %s', process %d on %s", by.Command, by.PID, by.Host)
	}
	if err := checkOurs(path); err != nil {
		return bad("set ENRICHGATE_DATA_DIR to a directory of its own", "%v", err)
	}
	f, err := os.CreateTemp(path, ".doctor-*")
	if err != nil {
		return bad("let the user that runs enrichgate own it", "it cannot be written to: %v", err)
	}
	if err := errors.Join(f.Sync(), f.Close(), os.Remove(f.Name())); err != nil {
		return bad("see to the disk", "%v", err)
	}
	if err := checkLedger(path); err != nil {
		return doubtful("on a machine that ran enrichgate before, correct ENRICHGATE_DATA_DIR or see whether the volume is mounted", "%s can be written to, but has no ledger; it is made at the first start", path)
	}
	if info.Mode().Perm()&0o020 != 0 {
		return doubtful("chmod 700 "+path+", unless its group is a volume's (fsGroup)", "its group may write into %s", path)
	}
	return good("%s can be written to", path)
}

// existing is the path, or the nearest directory above it that is there.
func existing(path string) string {
	for {
		if _, err := os.Stat(path); err == nil || filepath.Dir(path) == path {
			return path
		}
		path = filepath.Dir(path)
	}
}

// How much of a disk may be left: a full one stops all spending.
const (
	fewBytes    = 1 << 30
	tooFewBytes = 64 << 20
)

func checkDisk(path string) finding {
	var s unix.Statfs_t
	if err := unix.Statfs(existing(path), &s); err != nil {
		return bad("see to the disk", "%v", err)
	}
	return judgeSpace(s.Bavail * uint64(s.Bsize))
}

func judgeSpace(free uint64) finding {
	said := fmt.Sprintf("%s MiB are free", grouped(int64(free>>20)))
	switch {
	case free < tooFewBytes:
		return bad("make room: nothing can be spent when the ledger cannot be written", "%s", said)
	case free < fewBytes:
		return doubtful("make room before the ledger cannot be written", "%s", said)
	}
	return good("%s", said)
}

// checkVolume says whether the books outlive the container or the machine.
func checkVolume(path string) finding {
	var s unix.Statfs_t
	if err := unix.Statfs(existing(path), &s); err != nil {
		return bad("see to the disk", "%v", err)
	}
	return judgeVolume(int64(s.Type))
}

// persistence is the same for alerts.
func persistence(dir string) prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "enrichgate_ledger_persistent",
		Help: "1 when the data directory is on a disk that outlives the container and the machine; 0 on a container's own layer, in memory, or on a network file system."})
	if checkVolume(dir).state == "ok" {
		g.Set(1)
	}
	return g
}

func judgeVolume(kind int64) finding {
	switch kind {
	case unix.OVERLAYFS_SUPER_MAGIC:
		return doubtful("mount a volume there", "the ledger is in the container's own layer and dies with it")
	case unix.TMPFS_MAGIC:
		return doubtful("use a disk", "the ledger is in memory and dies with the machine")
	case unix.NFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC:
		return doubtful("use a local disk or a block volume", "the ledger is on a network file system, whose locks and syncs cannot be relied on")
	}
	return good("the ledger is on a disk that outlives the process")
}
