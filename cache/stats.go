package cache

import "context"

// Stats are the cache's size, and its counts since it was opened.
type Stats struct {
	MemoryHits, DiskHits, Misses, Shared uint64
	// Swept entries were gone. Damaged ones failed their checksum, or were lost
	// with a damaged page.
	Swept, Damaged uint64
	// WriteErrors are transactions that the disk refused.
	WriteErrors uint64
	// Compactions of the file.
	Compactions uint64
	// Entries and LiveBytes are what is stored now, in bytes as stored; MaxDisk
	// is their limit.
	Entries, LiveBytes, MaxDisk int64
	// SizeBytes is the file's size.
	SizeBytes int64
	// Encrypted says whether the file is.
	Encrypted bool
	// Sources are the same by source, in the order in which they first came.
	Sources []SourceStats
}

// SourceStats are one source's share of the cache.
type SourceStats struct {
	Source         string
	Entries, Bytes int64
	// Expired entries were past their stale limit, Evicted ones least recently
	// used, Purged ones removed by command; since the cache was opened.
	Expired, Evicted, Purged uint64
}

// Stats are cheap: nothing is walked.
func (c *Cache) Stats() Stats {
	d := c.disk
	s := Stats{
		MemoryHits: c.memoryHits.Load(), DiskHits: c.diskHits.Load(), Misses: c.misses.Load(), Shared: c.shared.Load(),
		Damaged: d.damaged.Load(), WriteErrors: d.writeFails.Load(), Compactions: d.compactions.Load(),
		MaxDisk: d.limit, SizeBytes: d.fileSize(),
	}
	_, s.Encrypted = d.codec.guard.(*sealed)
	for _, t := range d.books.all() {
		s.Entries += t.entries
		s.LiveBytes += t.bytes
		s.Swept += t.removed[byTTL]
		s.Sources = append(s.Sources, SourceStats{t.name, t.entries, t.bytes, t.removed[byTTL], t.removed[bySize], t.removed[byPurge]})
	}
	return s
}

// Ages counts a source's entries by state.
type Ages struct{ Fresh, Stale, Gone int }

// Survey counts the entries of each source by state. It walks the file: seconds
// for a million.
func (c *Cache) Survey(ctx context.Context) (map[string]Ages, error) {
	ages := map[string]Ages{}
	now := c.opts.Now()
	w := &walker{disk: c.disk, view: c.disk.view}
	for {
		items, err := w.read(ctx)
		if err != nil || len(items) == 0 {
			return ages, err
		}
		for _, it := range items {
			source, _, _, _ := it.key.Parts()
			a := ages[source]
			switch it.head.State(now) {
			case Fresh:
				a.Fresh++
			case Stale:
				a.Stale++
			default:
				a.Gone++
			}
			ages[source] = a
		}
	}
}
