package boltfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// This file reads the pages of a bbolt file before bbolt does. bbolt trusts
// them: a wrong byte in one makes it follow a pointer out of the file, or round
// in a circle, in a goroutine of its own where nothing can be caught. Layout:
// https://github.com/etcd-io/bbolt/tree/v1.5.0/internal/common

const (
	pageHeader   = 16
	elementSize  = 16 // of a branch and of a leaf page alike
	bucketHeader = 16
	metaSize     = 64

	flagBranch = 0x01
	flagLeaf   = 0x02
	magic      = 0xED0CDAED

	leafBucket = 0x01
)

var ne = binary.NativeEndian

// walker checks that each page is where it says, holds what it says within its
// bounds, and is used once.
type walker struct {
	file     []byte
	pageSize uint64
	pages    uint64
	seen     []bool
}

// walk checks the pages of a file that is not open.
func walk(path string) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	file, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Munmap(file) }()
	// The file may end before its pages do.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("its pages cannot be read: %v", p)
		}
	}()
	w := walker{file: file}
	root, err := w.meta()
	if err != nil {
		return err
	}
	w.seen = make([]bool, w.pages)
	return w.page(root, span{})
}

// meta finds the newer of the two meta pages that are whole, as bbolt does.
func (w *walker) meta() (root uint64, err error) {
	var newest uint64
	size := uint64(os.Getpagesize())
	for n := range uint64(2) {
		at := n*size + pageHeader
		if at+metaSize > uint64(len(w.file)) {
			break
		}
		m := w.file[at : at+metaSize]
		sum := fnv.New64a()
		sum.Write(m[:metaSize-8])
		if ne.Uint32(m) != magic || ne.Uint64(m[56:]) != sum.Sum64() {
			continue
		}
		if txid := ne.Uint64(m[48:]); root == 0 || txid > newest {
			newest, root, w.pageSize, w.pages = txid, ne.Uint64(m[16:]), uint64(ne.Uint32(m[8:])), ne.Uint64(m[40:])
		}
	}
	if root == 0 || w.pageSize < metaSize || w.pages > uint64(len(w.file))/w.pageSize {
		return 0, errors.New("it has no usable meta page")
	}
	return root, nil
}

// span is the part of a bucket's keys that a page may hold: from low, below
// high unless that is nil.
type span struct{ low, high []byte }

// page checks a page and all that it leads to.
func (w *walker) page(id uint64, keys span) error {
	if id < 2 || id >= w.pages {
		return fmt.Errorf("page %d is not one of its %d pages", id, w.pages)
	}
	p := w.file[id*w.pageSize:]
	overflow := uint64(ne.Uint32(p[12:]))
	if ne.Uint64(p) != id || id+overflow >= w.pages {
		return damaged(id)
	}
	for n := id; n <= id+overflow; n++ {
		if w.seen[n] {
			return fmt.Errorf("page %d is used twice", n)
		}
		w.seen[n] = true
	}
	return w.elements(id, p[:(overflow+1)*w.pageSize], keys)
}

func damaged(id uint64) error { return fmt.Errorf("page %d is damaged", id) }

// elements checks what is in a page, which may stand within another.
func (w *walker) elements(id uint64, p []byte, keys span) error {
	count := int(ne.Uint16(p[10:]))
	kind := ne.Uint16(p[8:])
	if pageHeader+count*elementSize > len(p) || kind != flagBranch && kind != flagLeaf {
		return damaged(id)
	}
	entries := make([]element, count)
	for i := range entries {
		e, ok := read(p, i, kind)
		if !ok || bytes.Compare(e.key, keys.low) < 0 || keys.high != nil && bytes.Compare(e.key, keys.high) >= 0 ||
			i > 0 && bytes.Compare(entries[i-1].key, e.key) >= 0 {
			return damaged(id)
		}
		entries[i] = e
	}
	if kind == flagBranch && count == 0 {
		return damaged(id)
	}
	for i, e := range entries {
		err := error(nil)
		switch {
		case kind == flagBranch:
			under := span{e.key, keys.high}
			if i+1 < count {
				under.high = entries[i+1].key
			}
			err = w.page(e.page, under)
		case e.bucket:
			err = w.bucket(id, e.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// element is one of a branch (key, page) or of a leaf (key, value).
type element struct {
	key, value []byte
	page       uint64
	bucket     bool
}

// read finds the n-th element of a page; false when it is not within it.
func read(p []byte, n int, kind uint16) (e element, ok bool) {
	at := uint64(pageHeader + n*elementSize)
	h := p[at : at+elementSize]
	size := uint64(len(p))
	if kind == flagBranch {
		from := at + uint64(ne.Uint32(h))
		to := from + uint64(ne.Uint32(h[4:]))
		if to > size {
			return e, false
		}
		return element{key: p[from:to], page: ne.Uint64(h[8:])}, true
	}
	from := at + uint64(ne.Uint32(h[4:]))
	value := from + uint64(ne.Uint32(h[8:]))
	to := value + uint64(ne.Uint32(h[12:]))
	flags := ne.Uint32(h)
	if to > size || flags > leafBucket {
		return e, false
	}
	return element{key: p[from:value], value: p[value:to], bucket: flags == leafBucket}, true
}

// bucket checks a bucket: its root page, or the page within it.
func (w *walker) bucket(id uint64, b []byte) error {
	if len(b) < bucketHeader {
		return damaged(id)
	}
	if root := ne.Uint64(b); root != 0 {
		return w.page(root, span{})
	}
	if len(b) < bucketHeader+pageHeader {
		return damaged(id)
	}
	return w.elements(id, b[bucketHeader:], span{})
}
