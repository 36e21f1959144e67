package powercut

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

const pageSize = 4096

// disk is what all mounts of a Disk share.
type disk struct {
	server *fuse.Server
	at     string

	mu sync.Mutex
	// life counts the mounts; what belongs to an earlier one fails.
	life  int
	off   bool
	files map[string]*content
	// writesLeft and syncsLeft say how many succeed before all fail; nil is no end.
	writesLeft, syncsLeft *int
	writes, syncs         int
}

// content is a file: what the programs see, and what a power cut leaves. Names
// are durable at once, contents are not.
type content struct {
	now     []byte
	durable []byte
	dirty   map[int]bool // pages that were written since the last sync
}

func (d *disk) nextLife() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.life++
	d.off = false
	d.writesLeft, d.syncsLeft = nil, nil
	return d.life
}

// usable is EIO for a mount that has lost its power.
func (d *disk) usable(life int) syscall.Errno {
	if d.off || life != d.life {
		return syscall.EIO
	}
	return 0
}

// cut forgets what was not synced, but for a random share of the pages.
func (d *disk) cut(seed uint64, share float64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = true
	rng := rand.New(rand.NewPCG(seed, 0))
	for _, name := range slices.Sorted(maps.Keys(d.files)) {
		f := d.files[name]
		for _, page := range slices.Sorted(maps.Keys(f.dirty)) {
			if rng.Float64() >= share {
				continue
			}
			from := page * pageSize
			to := min(from+pageSize, len(f.now))
			if from >= to {
				continue
			}
			f.durable = grown(f.durable, to)
			copy(f.durable[from:to], f.now[from:to])
		}
		f.now, f.dirty = slices.Clone(f.durable), map[int]bool{}
	}
}

// fail lets an operation fail after so many more.
func (d *disk) fail(left **int, after int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	*left = &after
}

func (d *disk) heal() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.writesLeft, d.syncsLeft = nil, nil
}

func (d *disk) counts() (writes, syncs int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.writes, d.syncs
}

// spend takes one from what is left; false means that nothing is.
func spend(left *int) bool {
	if left == nil {
		return true
	}
	*left--
	return *left >= 0
}

func (d *disk) write(f *content, data []byte, off int64) syscall.Errno {
	d.writes++
	if !spend(d.writesLeft) {
		return syscall.ENOSPC
	}
	end := int(off) + len(data)
	f.now = grown(f.now, end)
	copy(f.now[off:end], data)
	for page := int(off) / pageSize; page*pageSize < end; page++ {
		f.dirty[page] = true
	}
	return 0
}

func (d *disk) sync(f *content) syscall.Errno {
	d.syncs++
	if !spend(d.syncsLeft) {
		// The pages are marked clean without being on disk; a second fsync
		// would report success.
		f.dirty = map[int]bool{}
		return syscall.EIO
	}
	f.durable = grown(f.durable, len(f.now))[:len(f.now)]
	for page := range f.dirty {
		from := min(page*pageSize, len(f.now))
		copy(f.durable[from:min(from+pageSize, len(f.now))], f.now[from:])
	}
	f.dirty = map[int]bool{}
	return 0
}

func (d *disk) truncate(f *content, size int) {
	if size <= len(f.now) {
		f.now = f.now[:size]
		return
	}
	f.now = grown(f.now, size)
}

// grown is b with at least n bytes.
func grown(b []byte, n int) []byte {
	if n <= len(b) {
		return b
	}
	if n <= cap(b) {
		old := len(b)
		b = b[:n]
		clear(b[old:])
		return b
	}
	return append(slices.Grow(b, n-len(b)), make([]byte, n-len(b))...)
}
