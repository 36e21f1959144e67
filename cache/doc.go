// Package cache keeps the answers that were paid for, in memory and on disk,
// and lets concurrent requests for one answer share one call.
//
// One key lives like this. Fetch looks in memory (ristretto, a hint that may
// forget), then on disk (bbolt, the truth). A fresh answer is returned at no
// cost. Otherwise one caller's load runs, alone for its key however many ask;
// it looks once more, because a flight may have ended between the first look
// and its own; what it brings is on disk before anyone, the caller included,
// gets to use it. A caller who gives up does not take the others with it.
//
// An answer is fresh until its TTL ends, then stale until its stale limit, then
// gone. Only the caller knows when a stale answer is better than none; Get
// gives it out marked as such. Errors are never stored.
//
// The disk is bounded by size, checked against damage, and optionally encrypted;
// README.md has the rules. One goroutine writes: what is asked of it, and small
// steps of housekeeping in between.
package cache
