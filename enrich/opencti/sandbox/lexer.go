package sandbox

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

type tokenKind int

const (
	tokEOF tokenKind = iota
	tokPunct
	tokName
	tokNumber
	tokString
)

type token struct {
	kind tokenKind
	text string
}

func isNameByte(c byte, first bool) bool {
	return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' || !first && c >= '0' && c <= '9'
}

// lex cuts a document into tokens; the last one is tokEOF.
func lex(src string) ([]token, error) {
	src = strings.TrimPrefix(src, "\ufeff")
	var toks []token
	for i := 0; i < len(src); {
		c := src[i]
		switch {
		case strings.IndexByte(" \t\r\n,", c) >= 0:
			i++
		case c == '#':
			for i < len(src) && src[i] != '\n' && src[i] != '\r' {
				i++
			}
		case strings.HasPrefix(src[i:], "..."):
			toks = append(toks, token{tokPunct, "..."})
			i += 3
		case strings.IndexByte("!$&():=@[]{}|", c) >= 0:
			toks = append(toks, token{tokPunct, string(c)})
			i++
		case isNameByte(c, true):
			j := i + 1
			for j < len(src) && isNameByte(src[j], false) {
				j++
			}
			toks = append(toks, token{tokName, src[i:j]})
			i = j
		case c == '-' || c >= '0' && c <= '9':
			j := i + 1
			for j < len(src) && strings.IndexByte("0123456789.eE+-", src[j]) >= 0 {
				j++
			}
			toks = append(toks, token{tokNumber, src[i:j]})
			i = j
		case c == '"':
			s, n, err := lexString(src[i:])
			if err != nil {
				return nil, err
			}
			toks = append(toks, token{tokString, s})
			i += n
		default:
			r, _ := utf8.DecodeRuneInString(src[i:])
			return nil, parseFailed("Syntax Error: Unexpected character: %q.", r)
		}
	}
	return append(toks, token{kind: tokEOF}), nil
}

// lexString reads the string literal at the start of src and returns its value and length.
func lexString(src string) (string, int, error) {
	const unterminated = "Syntax Error: Unterminated string."
	if rest, ok := strings.CutPrefix(src, `"""`); ok {
		end := strings.Index(rest, `"""`)
		if end < 0 {
			return "", 0, parseFailed(unterminated)
		}
		return strings.TrimSpace(rest[:end]), end + 6, nil
	}
	for j := 1; j < len(src); j++ {
		switch src[j] {
		case '\\':
			j++
		case '\n':
			return "", 0, parseFailed(unterminated)
		case '"':
			var s string // GraphQL's escapes are those of JSON.
			if err := json.Unmarshal([]byte(src[:j+1]), &s); err != nil {
				return "", 0, parseFailed("Syntax Error: Invalid character escape sequence in %s.", src[:j+1])
			}
			return s, j + 1, nil
		}
	}
	return "", 0, parseFailed(unterminated)
}

func (p *parser) peek() token { return p.toks[p.pos] }

func (p *parser) next() token {
	t := p.toks[p.pos]
	if t.kind != tokEOF {
		p.pos++
	}
	return t
}

func (p *parser) accept(text string) bool {
	if t := p.peek(); t.kind == tokPunct && t.text == text {
		p.pos++
		return true
	}
	return false
}

func (p *parser) expect(text string) error {
	if !p.accept(text) {
		return p.unexpected("\"" + text + "\"")
	}
	return nil
}

func (p *parser) word() (string, error) {
	if p.peek().kind != tokName {
		return "", p.unexpected("Name")
	}
	return p.next().text, nil
}

func (p *parser) unexpected(want string) error {
	found := p.peek().text
	if p.peek().kind == tokEOF {
		found = "<EOF>"
	}
	return parseFailed("Syntax Error: Expected %s, found %s.", want, found)
}
