package powercut

import (
	"context"
	"maps"
	"slices"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// folder is the disk's one directory.
type folder struct {
	fs.Inode
	disk *disk
	life int
}

var (
	_ fs.NodeOnAdder  = (*folder)(nil)
	_ fs.NodeCreater  = (*folder)(nil)
	_ fs.NodeUnlinker = (*folder)(nil)
	_ fs.NodeRenamer  = (*folder)(nil)
	_ fs.NodeStatfser = (*folder)(nil)

	_ fs.NodeOpendirHandler = (*folder)(nil)
	_ fs.FileReaddirenter   = (*listing)(nil)
	_ fs.FileFsyncdirer     = (*listing)(nil)

	_ fs.NodeOpener    = (*file)(nil)
	_ fs.NodeReader    = (*file)(nil)
	_ fs.NodeWriter    = (*file)(nil)
	_ fs.NodeFsyncer   = (*file)(nil)
	_ fs.NodeGetattrer = (*file)(nil)
	_ fs.NodeSetattrer = (*file)(nil)
)

// OnAdd makes the files that earlier mounts left.
func (n *folder) OnAdd(ctx context.Context) {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	for name, c := range n.disk.files {
		n.AddChild(name, n.inode(ctx, c), true)
	}
}

func (n *folder) inode(ctx context.Context, c *content) *fs.Inode {
	return n.NewPersistentInode(ctx, &file{folder: n, content: c}, fs.StableAttr{Mode: fuse.S_IFREG})
}

// Create implements fs.NodeCreater.
func (n *folder) Create(ctx context.Context, name string, _, _ uint32, _ *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if errno := n.disk.usable(n.life); errno != 0 {
		return nil, nil, 0, errno
	}
	c := &content{dirty: map[int]bool{}}
	n.disk.files[name] = c
	return n.inode(ctx, c), nil, 0, 0
}

// Unlink implements fs.NodeUnlinker.
func (n *folder) Unlink(_ context.Context, name string) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if errno := n.disk.usable(n.life); errno != 0 {
		return errno
	}
	delete(n.disk.files, name)
	return 0
}

// Rename implements fs.NodeRenamer.
func (n *folder) Rename(_ context.Context, name string, _ fs.InodeEmbedder, newName string, _ uint32) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if errno := n.disk.usable(n.life); errno != 0 {
		return errno
	}
	n.disk.files[newName] = n.disk.files[name]
	delete(n.disk.files, name)
	return 0
}

// Statfs implements fs.NodeStatfser.
func (n *folder) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	out.Bsize, out.Blocks, out.Bfree, out.Bavail = pageSize, 1<<20, 1<<20, 1<<20
	return 0
}

// OpendirHandle implements fs.NodeOpendirHandler.
func (n *folder) OpendirHandle(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	return &listing{slices.Sorted(maps.Keys(n.disk.files))}, 0, n.disk.usable(n.life)
}

// listing is the open directory.
type listing struct{ names []string }

// Readdirent implements fs.FileReaddirenter.
func (l *listing) Readdirent(context.Context) (*fuse.DirEntry, syscall.Errno) {
	if len(l.names) == 0 {
		return nil, 0
	}
	e := &fuse.DirEntry{Name: l.names[0], Mode: fuse.S_IFREG}
	l.names = l.names[1:]
	return e, 0
}

// Fsyncdir implements fs.FileFsyncdirer: names are durable already.
func (l *listing) Fsyncdir(context.Context, uint32) syscall.Errno { return 0 }

// file is one file of one mount.
type file struct {
	fs.Inode
	folder  *folder
	content *content
}

// locked runs f under the disk's lock, unless the power is off.
func (n *file) locked(f func(*disk, *content) syscall.Errno) syscall.Errno {
	d := n.folder.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if errno := d.usable(n.folder.life); errno != 0 {
		return errno
	}
	return f(d, n.content)
}

// Open implements fs.NodeOpener. The kernel caches, so that the file can be mapped.
func (n *file) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_KEEP_CACHE, n.locked(func(*disk, *content) syscall.Errno { return 0 })
}

// Read implements fs.NodeReader.
func (n *file) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (r fuse.ReadResult, errno syscall.Errno) {
	errno = n.locked(func(_ *disk, c *content) syscall.Errno {
		from := min(int(off), len(c.now))
		to := min(from+len(dest), len(c.now))
		r = fuse.ReadResultData(append([]byte(nil), c.now[from:to]...))
		return 0
	})
	return r, errno
}

// Write implements fs.NodeWriter.
func (n *file) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	errno := n.locked(func(d *disk, c *content) syscall.Errno { return d.write(c, data, off) })
	if errno != 0 {
		return 0, errno
	}
	return uint32(len(data)), 0
}

// Fsync implements fs.NodeFsyncer; fdatasync comes here too.
func (n *file) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	return n.locked(func(d *disk, c *content) syscall.Errno { return d.sync(c) })
}

// Getattr implements fs.NodeGetattrer.
func (n *file) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	return n.locked(func(_ *disk, c *content) syscall.Errno {
		out.Size, out.Mode = uint64(len(c.now)), fuse.S_IFREG|0o600
		return 0
	})
}

// Setattr implements fs.NodeSetattrer; only the size can be set.
func (n *file) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	return n.locked(func(d *disk, c *content) syscall.Errno {
		if size, ok := in.GetSize(); ok {
			d.truncate(c, int(size))
		}
		out.Size, out.Mode = uint64(len(c.now)), fuse.S_IFREG|0o600
		return 0
	})
}
