package proofpoint

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// highestScore is the top of the API's scale.
const highestScore = 127

// mostNoted bounds the categories that a note lists; some forty exist.
const mostNoted = 50

// score is one row of a reputation.
type score struct {
	category string
	value    int64
}

// readScore takes up one category. The API's scale starts at 0, which is a
// statement too: the category is known not to apply.
func (rd *reader) readScore(r row) error {
	category, err := r.name("category", 100)
	if err != nil {
		return err
	}
	value, err := r.integer("score", 0, highestScore)
	if err != nil {
		return err
	}
	rd.scores = append(rd.scores, score{category, value})
	return nil
}

// summarize makes of all categories together what stands for the entity: the
// highest score on the platform's scale, labels, and a note in figures.
func (rd *reader) summarize() {
	if len(rd.scores) == 0 {
		return
	}
	var highest int64
	var noted []string
	for i, s := range rd.scores {
		highest = max(highest, s.value)
		if s.value > 0 && !slices.Contains(rd.facts.Labels, s.category) {
			rd.facts.Labels = append(rd.facts.Labels, s.category)
		}
		if i < mostNoted {
			noted = append(noted, fmt.Sprintf("%s %d/%d", s.category, s.value, highestScore))
		}
	}
	percent := int(math.Round(float64(highest) * 100 / highestScore))
	rd.facts.Score = &percent
	rd.facts.Note = fmt.Sprintf("ET Intelligence reputation of %s: %s", rd.lookup.Value, strings.Join(noted, ", "))
	if more := len(rd.scores) - len(noted); more > 0 {
		rd.facts.Note += fmt.Sprintf(" and %d more", more)
	}
}
