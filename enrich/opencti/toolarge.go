package opencti

import (
	"fmt"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/stixconv"
)

// leftOut are objects that cannot be sent.
type leftOut struct {
	// gone are those that the platform will not have.
	gone  map[string]bool
	first string
	size  int
	n     int
}

func (l *leftOut) tooLarge(id string, size int, known bool) {
	if l.n == 0 {
		l.first, l.size = id, size
	}
	l.n++
	if !known {
		l.gone[id] = true
	}
}

// refers says that the object refers to one that is gone. References come
// first in a split bundle, so that one pass is enough.
func (l *leftOut) refers(o stixconv.Object) bool {
	if len(l.gone) == 0 {
		return false
	}
	for _, value := range o {
		switch v := value.(type) {
		case string:
			if l.gone[v] {
				return true
			}
		case []any:
			for _, e := range v {
				if id, ok := e.(string); ok && l.gone[id] {
					return true
				}
			}
		}
	}
	return false
}

// problem tells the analyst what was left out; nil when nothing was.
func (l *leftOut) problem(sent int, limit int64) error {
	if l.n == 0 {
		return nil
	}
	return &enrich.InputError{Reason: fmt.Sprintf("%s makes a message of %.1f MB, and the broker takes at most %.1f MB: it was left out with what refers to it (%d objects left out, %d sent)",
		l.first, float64(l.size)/1e6, float64(limit)/1e6, max(l.n, len(l.gone)), sent)}
}

// lowerMaxMessage takes over what the broker says of its limit. It returns
// false when that is nothing new, and so no reason to try again.
func (c *Connector) lowerMaxMessage(limit int64) bool {
	for {
		old := c.maxMessage.Load()
		if limit <= 0 || limit >= old {
			return false
		}
		if c.maxMessage.CompareAndSwap(old, limit) {
			c.log.Warn("RabbitMQ takes smaller messages than most", "bytes", limit)
			return true
		}
	}
}
