// Package quota is the ledger: what may still be spent at each paid source.
//
// One unit of quota lives like this. Reserve asks for it before the call
// leaves: the decision, the reservation and the audit entry are one fsynced
// transaction, and only then does Reserve return. The caller makes its call.
// Settle then says how it ended: Spent (the provider answered), Void (provably
// no byte was sent) or Uncertain (it may have arrived; counts as spent). A
// reservation that is still open when the ledger is opened again belonged to a
// process that died: it becomes Uncertain. So at every instant, a crash
// included, spent + uncertain + reserved is at least what the provider has seen.
//
// A limit holds under any concurrency because an open reservation counts in
// every window until it is settled, and a settled one counts in the window in
// which it was settled: a call that straddles a reset takes room on both sides
// of it, whichever side the provider books it on.
//
// Nothing in the audit log is ever changed: each step is a new entry, chained
// by hash to the one before. What operators, providers (Reconcile) and
// checkpoints (Restore) say of a window are entries too, and the books follow
// from the entries alone: Verify makes them again and compares.
//
// One goroutine writes (writer.go): it decides a batch in memory, writes it as
// one transaction and answers. After a failed write nobody knows what is on
// disk, so the file is read anew before anything else is granted (mend.go). A
// file that was removed or replaced while it is open takes what is written and
// is gone at the next start: nothing is granted on it (place.go).
//
// README.md follows a day in numbers and says every rule.
//
// Not promised: a ledger shared between processes. One process owns the file.
package quota
