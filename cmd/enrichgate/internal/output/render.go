package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"text/template"

	"go.yaml.in/yaml/v3"
)

// template compiles the Go template; nil without one.
func (o Options) template() (*template.Template, error) {
	if o.Template == "" {
		return nil, nil
	}
	t, err := template.New("--template").Option("missingkey=error").Parse(o.Template)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUsage, err)
	}
	return t, nil
}

// render writes one row through the template, on a line of its own.
func (w *Writer) render(object json.RawMessage) error {
	var row map[string]any
	dec := json.NewDecoder(bytes.NewReader(object))
	dec.UseNumber() // counts are not to be rounded
	if err := dec.Decode(&row); err != nil {
		return err
	}
	var text strings.Builder
	if err := w.template.Execute(&text, row); err != nil {
		return err
	}
	line := text.String()
	if w.term.Width > 0 {
		line = Harmless(strings.TrimSuffix(line, "\n"))
	}
	if !strings.HasSuffix(line, "\n") {
		line += "\n"
	}
	_, err := w.out.WriteString(line)
	return flushed(w.out, err)
}

// yaml writes the rows as a list of mappings, their fields in the columns' order.
func (w *Writer) yaml() error {
	list := yaml.Node{Kind: yaml.SequenceNode}
	for _, line := range w.json {
		var doc yaml.Node // JSON is YAML
		if err := yaml.Unmarshal(line, &doc); err != nil {
			return err
		}
		row := doc.Content[0]
		block(row)
		list.Content = append(list.Content, row)
	}
	enc := yaml.NewEncoder(w.out)
	enc.SetIndent(2)
	if err := enc.Encode(&list); err != nil {
		return err
	}
	return enc.Close()
}

// block takes JSON's way of writing off a value. What is quoted stays a text.
func block(n *yaml.Node) {
	n.Style &^= yaml.FlowStyle
	if n.Kind == yaml.MappingNode {
		for i := 0; i < len(n.Content); i += 2 {
			n.Content[i].Style = 0
		}
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!str" {
		n.Style = 0 // the encoder quotes what would not be read as a text
	}
	for _, c := range n.Content {
		block(c)
	}
}
