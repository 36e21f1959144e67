package output

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/itchyny/gojq"
)

// filter writes what the jq expression makes of the array of all rows, one
// result a line.
func (w *Writer) filter() error {
	rows := make([]any, len(w.json))
	for i, line := range w.json {
		dec := json.NewDecoder(bytes.NewReader(line))
		dec.UseNumber() // counts are not to be rounded
		if err := dec.Decode(&rows[i]); err != nil {
			return err
		}
	}
	results := w.jq.Run(rows)
	for {
		v, ok := results.Next()
		if !ok {
			return nil
		}
		if err, ok := v.(error); ok {
			var halt *gojq.HaltError
			if errors.As(err, &halt) && halt.Value() == nil {
				return nil
			}
			return fmt.Errorf("--jq: %w", err)
		}
		line, text := v.(string)
		if !text {
			b, err := gojq.Marshal(v)
			if err != nil {
				return err
			}
			line = string(b)
		}
		if _, err := w.out.WriteString(line + "\n"); err != nil {
			return err
		}
	}
}
