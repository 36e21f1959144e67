package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// A mutant is a mistake that somebody might make one day. Each must make the
// test that it names fail; a test that lets it pass proves nothing.
//
//	go test -tags mutants -run TestMutants ./cmd/enrichgate
type mutant struct {
	name string
	file string
	// was becomes is; it stands in the file exactly once.
	was, is string
	// in is the package of the test that must fail.
	in, test string
}

func mutants() []mutant {
	return []mutant{
		{"remove the fsync", "cache/boltfile/boltfile.go", "NoFreelistSync: true", "NoSync: true, NoFreelistSync: true", "./enrich", "TestPowerCuts"},
		{"settle before store", "enrich/lookup.go", "	g.trace(StepAnswered)\n", "	_ = g.ledger.Settle(d.ID, outcomeOf(a.Answer), a.Status)\n	g.trace(StepAnswered)\n", "./enrich", "TestOrderOfTheSteps"},
		{"a reload forgets what was spent", "quota/configure.go", "		anew, err := load(l.db, next, now)\n", "		anew, err := books{accounts: other}, error(nil)\n		for _, a := range other {\n			a.configured = true\n		}\n", "./quota", "TestConfigureKeepsTheBooks"},
		{"call before reserve", "enrich/lookup.go", "	d, asked, err := g.reserve(ctx, r, l, key)\n", "	_ = g.fetch(ctx, []Lookup{l})\n	d, asked, err := g.reserve(ctx, r, l, key)\n", "./enrich", "TestRandomKills"},
		{"refund on time-out", "enrich/lookup.go", "	default:\n		return quota.Uncertain\n", "	default:\n		return quota.Void\n", "./enrich", "TestWhatACallCosts"},
		{"ack before publish", "enrich/opencti/consume.go", "	err := c.consumeSafely(ctx, in, p)\n", "	_ = d.Ack(false)\n	err := c.consumeSafely(ctx, in, p)\n", "./cmd/enrichgate", "TestKillAtEveryStep/^settled$"},
		{"let the last byte go with the others", "enrich/opencti/held.go", "		n = copy(p, b.rest[:len(b.rest)-1])\n", "		n = copy(p, b.rest)\n", "./enrich/opencti", "TestLastByteIsHeld"},
		{"answer what has left again", "enrich/opencti/journal.go", "	if r.Delivered && j.left.contradict(key, r.Try, r.Boot, r.At) {\n", "	if r.Delivered {\n", "./enrich/opencti", "TestKilledBesideTheLastByte"},
		{"take what did not leave for answered", "enrich/opencti/journal.go", "	if r.Delivered && j.left.contradict(key, r.Try, r.Boot, r.At) {\n", "	if false {\n", "./enrich/opencti", "TestKilledBesideTheLastByte"},
		{"count the time for which the process stood still", "enrich/patience.go", "if time.Since(due) > stoodStill {", "if false && time.Since(due) > stoodStill {", "./cmd/enrichgate", "TestFrozen"},
		{"skip the second look inside the flight", "cache/flight.go", "err != nil || state == Fresh && !e.StoredAt.Before(since) {\n			return landed", "err != nil || state == Fresh && e == nil {\n			return landed", "./cache", "TestLooksAgainInsideTheFlight"},
		{"use an answer that is not on disk", "cache/cache.go", "	version, err := c.disk.put(id, k, e)\n", "	go func() { _, _ = c.disk.put(id, k, e) }()\n	version, err := uint32(0), error(nil)\n", "./enrich", "TestPowerCuts"},
		{"keep an error as an answer", "enrich/source.go", "return c == Found ||", "return c == ServerError || c == Found ||", "./enrich", "TestErrorsAreNotKept"},
		{"let pending units not count", "quota/decide.go", "taken := w.used + b.pending", "taken := w.used", "./quota", "TestModel"},
		{"let a bucket's limit not count", "quota/state.go", "	if b := a.buckets[r.Bucket]; b != nil {\n", "	if b := a.buckets[r.Bucket]; false && b != nil {\n", "./quota", "TestModel"},
		{"forget what a dead process had reserved", "quota/ledger.go", "t.settleStrays(Uncertain,", "t.settleStrays(Void,", "./quota", "TestModel"},
		{"let the clock run backwards", "quota/clock.go", "stamp: later(plain, c.last.stamp), steady: c.last", "stamp: plain, steady: c.last", "./quota", "TestModel"},
		{"believe memory after a removal", "cache/memory.go", "if !ok || h.version != m.version(h.id) {", "if !ok {", "./cache", "TestDeletedStaysDeleted"},
		{"evict what was used since the disk was told", "cache/sweep.go", "if why == bySize && len(record)", "if false && len(record)", "./cache", "TestLimitOfTheDisk"},
		{"believe a damaged entry", "cache/boltfile/record.go", "	if checksum(key, value) != binary.BigEndian.Uint32(record) {", "	if false {", "./cache", "TestDamageCostsOneEntry"},
		{"keep the analyst behind the playbook's floor", "enrich/crowd.go", "	return *g.foremost(), ctx, cancel", "	return leader, ctx, cancel", "./enrich", "TestAnalystIsNotHeldUpByAPlaybooksFlight"},
	}
}

// The list must keep up with the code: what it changes is there, once.
func TestMutantsStillApply(t *testing.T) {
	for _, m := range mutants() {
		b, err := os.ReadFile(filepath.Join(root, m.file))
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(b, []byte(m.was)); n != 1 {
			t.Errorf("%s: what it changes stands %d times in %s", m.name, n, m.file)
		}
	}
}
