package powercut

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// serve mounts the disk below top and obeys commands until there are no more.
func serve(top string, in io.Reader, out io.Writer) error {
	d := &disk{files: map[string]*content{}}
	defer d.unmount()
	commands, replies := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var c command
		if err := commands.Decode(&c); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		r, err := d.obey(top, c)
		if err != nil {
			r.Error = err.Error()
		}
		if err := replies.Encode(r); err != nil {
			return err
		}
	}
}

func (d *disk) obey(top string, c command) (r reply, err error) {
	switch c.Op {
	case "mount":
		r.Dir, err = d.mount(top)
	case "cut":
		d.cut(c.Seed, c.Share)
	case "failsync":
		d.fail(&d.syncsLeft, c.After)
	case "failwrite":
		d.fail(&d.writesLeft, c.After)
	case "heal":
		d.heal()
	case "counts":
		r.Writes, r.Syncs = d.counts()
	default:
		err = fmt.Errorf("no command %q", c.Op)
	}
	return r, err
}

// mount serves what is durable, in a folder of its own each time: the kernel
// keeps nothing of an earlier mount for it, and the earlier one may still be in use.
func (d *disk) mount(top string) (dir string, err error) {
	d.unmount()
	if dir, err = os.MkdirTemp(top, "disk"); err != nil {
		return "", err
	}
	root := &folder{disk: d, life: d.nextLife()}
	server, err := fs.Mount(dir, root, &fs.Options{
		MountOptions: fuse.MountOptions{DirectMount: true, FsName: "powercut", MaxBackground: 64},
	})
	if err != nil {
		return "", err
	}
	d.server, d.at = server, dir
	return dir, nil
}

// unmount lets go of the mount, even if files are still open on it.
func (d *disk) unmount() {
	if d.server == nil {
		return
	}
	_ = syscall.Unmount(d.at, syscall.MNT_DETACH) // it may be gone already
	_ = os.Remove(filepath.Clean(d.at))
	d.server = nil
}
