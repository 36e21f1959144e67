package sandbox

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"time"
)

// Bill is what was seen. Total = Billed + Refused + Failed once all requests
// that were seen have been judged.
type Bill struct {
	// Total counts every request.
	Total int
	// Billed counts those that a provider would charge for: answered with data
	// or with "no record" (200 and 404), or done and then lost on the way
	// (answers that hang or are cut off).
	Billed int
	// Refused counts 401, 402, 403 and 429.
	Refused int
	// Failed counts all other answers.
	Failed int
	// Counts has each call with how often it was seen, refused or not:
	// "ip.reputation 192.0.2.1". Requests for nothing that the API has are
	// under "unknown".
	Counts map[string]int
}

// unknown is the line for requests that are no call of the API.
const unknown = "unknown"

// newBill is an empty one.
func newBill() Bill { return Bill{Counts: map[string]int{}} }

// Bill is a copy of the bill as it is now.
func (p *Provider) Bill() Bill {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.bill
	b.Counts = maps.Clone(b.Counts)
	return b
}

// Seen is how often a call was seen: Seen("ip.reputation", "192.0.2.1").
func (p *Provider) Seen(endpoint, value string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bill.Counts[call{endpoint, value}.String()]
}

// SaveBill makes the provider append a line to the file for each request from
// now on, before it is answered, so that the bill outlives the process. (It
// outlives a SIGKILL; it is not synced against a power cut.) The empty path ends it.
func (p *Provider) SaveBill(path string) error {
	var file *os.File
	if path != "" {
		var err error
		file, err = os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("sandbox: %w", err)
		}
	}
	p.mu.Lock()
	old := p.file
	p.file = file
	p.mu.Unlock()
	if old != nil {
		return old.Close()
	}
	return nil
}

// see puts a request on the bill: which one it is, the hook to ask, and whether
// the minute is full.
func (p *Provider) see(c call, known bool) (n int, hook Hook, busy bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	line := unknown
	if known {
		line = c.String()
	}
	p.bill.Total++
	p.bill.Counts[line]++
	if p.file != nil {
		_, err = p.file.WriteString(line + "\n") // one write, so that lines stay whole
	}
	if err != nil {
		p.bill.Failed++
		return 0, nil, false, err
	}
	return p.bill.Total, p.hook, p.busyLocked(), nil
}

// busyLocked counts a request in its minute and says whether it is one too many.
func (p *Provider) busyLocked() bool {
	if p.opts.PerMinute <= 0 {
		return false
	}
	now := p.opts.Now().Truncate(time.Minute)
	if !now.Equal(p.minute) {
		p.minute, p.inMin = now, 0
	}
	p.inMin++
	return p.inMin > p.opts.PerMinute
}

// settle sorts a request that was seen by how it is answered.
func (p *Provider) settle(r Reply) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch status := r.status(); {
	case status == http.StatusOK, status == http.StatusNotFound, r.Hang, r.Drop:
		p.bill.Billed++
	case status == http.StatusUnauthorized, status == http.StatusPaymentRequired,
		status == http.StatusForbidden, status == http.StatusTooManyRequests:
		p.bill.Refused++
	default:
		p.bill.Failed++
	}
}
