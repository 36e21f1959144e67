package clients

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/enrichgate/enrichgate/quota"
	"github.com/enrichgate/enrichgate/stixconv"
)

// Client is one user of the gateway. Its name stands in the audit log and in
// the ledger's budgets.
type Client struct {
	Name string `json:"name"`
	// Sources that it may ask; none means every one.
	Sources []string `json:"sources,omitempty"`
	// Budgets are its limits per source, as an operator writes them:
	// "10/day,100/month". A source without one has the source's own limits only.
	Budgets map[string]string `json:"budgets,omitempty"`
	// MaxTLP is the strictest marking that it may ask about; empty means the
	// source's own.
	MaxTLP string `json:"max_tlp,omitempty"`
	// CreatedAt is when the token was made, ExpiresAt when it ends; nil means never.
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	// LastUsedAt is when the token was last presented; nil means never.
	LastUsedAt *time.Time `json:"last_used_at,omitempty"`
}

// May says whether the client may ask the source.
func (c Client) May(source string) bool {
	return len(c.Sources) == 0 || slices.Contains(c.Sources, source)
}

// Limits are the client's budget at a source; none means no limit of its own.
func (c Client) Limits(source string) []quota.Limit {
	limits, err := quota.ParseBudget(c.Budgets[source])
	if err != nil {
		return nil // absent; what is there was checked on its way in
	}
	return limits
}

// Expired says that the token has ended.
func (c Client) Expired(now time.Time) bool { return c.ExpiresAt != nil && !now.Before(*c.ExpiresAt) }

// Check says what is wrong with a client, in one line.
func (c Client) Check() error {
	if !validName(c.Name) {
		return fmt.Errorf("%.80q is not a client's name: use up to 64 of a-z, 0-9, dot, hyphen and underscore, a letter or digit first", c.Name)
	}
	if slices.Contains(reserved(), c.Name) {
		return fmt.Errorf("%q is a name of enrichgate's own; choose another", c.Name)
	}
	for _, source := range slices.Sorted(maps.Keys(c.Budgets)) {
		if !c.May(source) {
			return fmt.Errorf("client %s: a budget for %.80q, which it may not ask", c.Name, source)
		}
		if _, err := quota.ParseBudget(c.Budgets[source]); err != nil {
			return fmt.Errorf("client %s: budget for %.80q: %w", c.Name, source, err)
		}
	}
	if c.MaxTLP != "" {
		if _, err := stixconv.ParseTLP(c.MaxTLP); err != nil {
			return fmt.Errorf("client %s: %w", c.Name, err)
		}
	}
	if slices.Contains(c.Sources, "") {
		return errors.New("client " + c.Name + ": a source without a name")
	}
	return nil
}

// validName keeps names fit for a table, a URL and a log line.
func validName(name string) bool {
	return regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`).MatchString(name)
}

// reserved names are those under which the gateway's own doors appear in the
// audit log.
func reserved() []string { return []string{"admin", "read", "cli", "page", "anonymous"} }

// clone shares nothing with c.
func (c Client) clone() Client {
	c.Sources, c.Budgets = slices.Clone(c.Sources), maps.Clone(c.Budgets)
	return c
}
