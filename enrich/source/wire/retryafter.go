package wire

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// longestWait caps Retry-After: a provider's slip of the pen ("in ten years")
// must not close a paid source for good.
const longestWait = time.Hour

// retryAfter reads the header (RFC 9110, 10.2.3): seconds, or a date. What is
// past, negative, zero or garbage gives the zero time; what is further off than
// an hour gives an hour. Dates are held against our own clock.
func retryAfter(header string, now time.Time) time.Time {
	header = strings.TrimSpace(header)
	if header != "" && strings.Trim(header, "0123456789") == "" {
		seconds, err := strconv.ParseInt(header, 10, 64)
		if err != nil || seconds > int64(longestWait/time.Second) {
			return now.Add(longestWait) // more digits than fit are still a number
		}
		if seconds == 0 {
			return time.Time{}
		}
		return now.Add(time.Duration(seconds) * time.Second)
	}
	at, err := http.ParseTime(header)
	if err != nil || !at.After(now) {
		return time.Time{}
	}
	if at.After(now.Add(longestWait)) {
		return now.Add(longestWait)
	}
	return at
}
