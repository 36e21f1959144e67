package boltfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// bbolt trusts the structure of its pages: one that is damaged makes it panic,
// also in goroutines of its own, where nobody can recover. So whoever must
// survive that has the pages checked before bbolt uses them. What is in the
// values is not looked at.

// The layout of bbolt's pages, little-endian: a header (page number 8, flags 2,
// count 2, overflow 4), then elements of 16 bytes. A leaf's: flags 4, position 4,
// key size 4, value size 4; a branch's: position 4, key size 4, page number 8.
const (
	headerSize  = 16
	elementSize = 16
	branchPage  = 0x01
	leafPage    = 0x02
	bucketFlag  = 0x01 // of a leaf's element
)

// walk checks every page in use of an open file.
func walk(path string, db *DB) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	data, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	err = Guard(func() error {
		return db.View(func(tx *bolt.Tx) error {
			size := int64(db.Info().PageSize)
			w := pageWalk{data: data, size: size, seen: make([]uint64, tx.Size()/size/64+1), end: uint64(tx.Size() / size)}
			return w.bucket(uint64(tx.Cursor().Bucket().Root()))
		})
	})
	return errors.Join(err, unix.Munmap(data))
}

type pageWalk struct {
	data []byte
	size int64
	end  uint64 // the first page that is not in use
	seen []uint64
}

func damage(page uint64, format string, args ...any) error {
	return fmt.Errorf("%w: page %d: %s", ErrDamaged, page, fmt.Sprintf(format, args...))
}

func (w *pageWalk) bucket(root uint64) error { return w.page(root, nil, nil, 0) }

// page checks a page and what is below it. Its keys must be from low up to and
// without high; nil is no bound.
func (w *pageWalk) page(number uint64, low, high []byte, depth int) error {
	if number < 2 || number >= w.end || depth > 64 {
		return damage(number, "there is no such page")
	}
	page := w.data[int64(number)*w.size:]
	if got := binary.LittleEndian.Uint64(page); got != number {
		return damage(number, "it says that it is page %d", got)
	}
	overflow := uint64(binary.LittleEndian.Uint32(page[12:]))
	if overflow >= w.end-number {
		return damage(number, "it is too long")
	}
	for n := number; n <= number+overflow; n++ {
		if w.seen[n/64]&(1<<(n%64)) != 0 {
			return damage(n, "it is used twice")
		}
		w.seen[n/64] |= 1 << (n % 64)
	}
	return w.elements(number, page[:int64(overflow+1)*w.size], low, high, depth)
}

// elements checks a page's elements, and the pages that they name.
func (w *pageWalk) elements(number uint64, page, low, high []byte, depth int) error {
	flags, count := binary.LittleEndian.Uint16(page[8:]), int(binary.LittleEndian.Uint16(page[10:]))
	if flags != leafPage && flags != branchPage || flags == branchPage && count == 0 || headerSize+count*elementSize > len(page) {
		return damage(number, "it is neither leaf nor branch, or has more elements than room")
	}
	var before []byte
	for i := range count {
		e, err := parseElement(page, flags, i)
		if err != nil {
			return damage(number, "element %d: %v", i, err)
		}
		if i > 0 && bytes.Compare(before, e.key) >= 0 || i == 0 && flags == leafPage && bytes.Compare(e.key, low) < 0 ||
			high != nil && bytes.Compare(e.key, high) >= 0 {
			return damage(number, "element %d is out of order", i)
		}
		before = e.key
		switch {
		case flags == branchPage:
			below := high
			if i+1 < count {
				next, err := parseElement(page, flags, i+1)
				if err != nil {
					return damage(number, "element %d: %v", i+1, err)
				}
				below = next.key
			}
			err = w.page(e.page, e.key, below, depth+1)
		case e.flags&bucketFlag != 0:
			err = w.inner(number, e.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// inner checks a bucket that is an element's value: a page number and a
// sequence, or, with a page number of 0, a page in place.
func (w *pageWalk) inner(number uint64, value []byte) error {
	if len(value) < 16 {
		return damage(number, "a bucket is cut short")
	}
	if root := binary.LittleEndian.Uint64(value); root != 0 {
		return w.bucket(root)
	}
	if len(value) < 16+headerSize || binary.LittleEndian.Uint16(value[16+8:]) != leafPage {
		return damage(number, "a bucket in place is none")
	}
	return w.elements(number, value[16:], nil, nil, 0)
}

type element struct {
	flags      uint32
	key, value []byte
	page       uint64
}

var errElement = errors.New("it points out of its page, or is of no known kind")

func parseElement(page []byte, flags uint16, i int) (element, error) {
	at := headerSize + i*elementSize
	raw := page[at : at+elementSize]
	u32 := binary.LittleEndian.Uint32
	var e element
	var position, keySize, valueSize uint64
	if flags == branchPage {
		position, keySize, e.page = uint64(u32(raw)), uint64(u32(raw[4:])), binary.LittleEndian.Uint64(raw[8:])
	} else {
		e.flags, position = u32(raw), uint64(u32(raw[4:]))
		keySize, valueSize = uint64(u32(raw[8:])), uint64(u32(raw[12:]))
	}
	from := uint64(at) + position
	if e.flags > bucketFlag || from+keySize+valueSize > uint64(len(page)) {
		return e, errElement
	}
	e.key, e.value = page[from:from+keySize], page[from+keySize:from+keySize+valueSize]
	return e, nil
}
