package quota

import (
	"crypto/rand"

	bolt "go.etcd.io/bbolt"
)

// introduce gives a new file its identity, and a new source what was used of
// it before.
func (t *transaction) introduce() {
	l := t.ledger
	if l.identity.ID == "" {
		l.identity = newIdentity()
		id := l.identity
		t.more = append(t.more, func(tx *bolt.Tx) error { return putRecord(tx.Bucket(bucketMeta), keyIdentity, id) })
	}
	for name, a := range l.accounts {
		if a.known || t.err != nil {
			continue
		}
		a.known = true
		t.bookTotals(name, totals{})
		for _, w := range a.source.windows {
			if n := a.Initial[w.limit.Per]; n > 0 {
				t.err = t.correct(a, w, n, Entry{Kind: KindInitial, Reason: "used before this ledger knew the source"})
			}
		}
	}
}

func newIdentity() identity { return identity{ID: rand.Text(), Salt: []byte(rand.Text())} }
