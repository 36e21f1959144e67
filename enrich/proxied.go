package enrich

import "errors"

// ErrNotOffered is what a source whose API is mirrored says to a request that
// is none of its lookups: whatever it is, it would not be safe to repeat, or
// has no price. Implementers return it as it is.
var ErrNotOffered = errors.New("this is none of the lookups that are offered")
