package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
)

type completionCmd struct {
	Shell string `arg:"" help:"bash, zsh, fish or powershell." enum:"bash,zsh,fish,powershell"`
}

// Run prints a script that asks this program for what may follow, so that it
// never falls behind it.
func (c completionCmd) Run(env *environment) error {
	_, err := fmt.Fprint(env.stdout, map[string]string{
		"bash": `# source <(enrichgate completion bash)
_enrichgate() {
	local IFS=$'\n'
	COMPREPLY=($("${COMP_WORDS[0]}" __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1))
}
complete -o default -F _enrichgate enrichgate
`,
		"zsh": `#compdef enrichgate
# enrichgate completion zsh > "${fpath[1]}/_enrichgate"
_enrichgate() {
	local -a found
	local line
	for line in ${(f)"$("${words[1]}" __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)"}; do
		found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
	done
	if (( $#found )); then _describe enrichgate found; else _files; fi
}
compdef _enrichgate enrichgate
`,
		"fish": `# enrichgate completion fish > ~/.config/fish/completions/enrichgate.fish
function __enrichgate_complete
	set -l words (commandline -opc) (commandline -ct)
	$words[1] __complete -- $words[2..] 2>/dev/null
end
complete -c enrichgate -k -a '(__enrichgate_complete)'
`,
		"powershell": `# enrichgate completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName enrichgate -ScriptBlock {
	param($word, $line, $cursor)
	# What stands before the word, and the word; an empty one has no element.
	$words = @($line.CommandElements | Select-Object -Skip 1 | Where-Object { $_.Extent.EndOffset -lt $cursor } | ForEach-Object { "$_" }) + $word
	$program = "$($line.CommandElements[0])"
	& $program __complete '--' @words 2>$null | ForEach-Object {
		$found, $help = $_ -split "` + "`" + `t", 2
		if (-not $help) { $help = $found }
		[System.Management.Automation.CompletionResult]::new($found, $found, 'ParameterValue', $help)
	}
}
`,
	}[c.Shell])
	return err
}

type completeCmd struct {
	Words []string `arg:"" optional:"" passthrough:""`
}

// Run prints what the last word may become, each with a few words of help.
func (c completeCmd) Run(env *environment, cli *cli) error {
	words := c.Words
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	if len(words) == 0 {
		words = []string{""}
	}
	known := func() []string {
		s, err := cli.load(env, settings.NeedData)
		if err != nil {
			return nil // this is no place to complain
		}
		return slices.Sorted(maps.Keys(s.Sources))
	}
	for _, candidate := range candidates(env.model, words, known) {
		if _, err := fmt.Fprintln(env.stdout, candidate); err != nil {
			return err
		}
	}
	return nil
}

// candidates is what the last of the words may become: commands, flags, and
// values where they are known.
func candidates(model *kong.Application, words []string, sources func() []string) (all []string) {
	at, last := position{node: model.Node}, words[len(words)-1]
	for _, w := range words[:len(words)-1] {
		at.pass(w)
	}
	leaf := at.leaf()
	offer := func(word, help string) {
		if strings.HasPrefix(word, last) {
			all = append(all, strings.TrimRight(word+"\t"+help, "\t"))
		}
	}
	switch {
	case at.open != nil:
		for _, v := range valuesOf(at.open.Value, sources) {
			offer(v, "")
		}
	case strings.HasPrefix(last, "-"):
		for _, group := range leaf.AllFlags(true) {
			for _, f := range group {
				offer("--"+f.Name, f.Help)
			}
		}
	default:
		for _, child := range at.node.Children {
			if child.Type == kong.CommandNode && !child.Hidden && child != at.node.DefaultCmd {
				offer(child.Name, child.Help)
			}
		}
		if at.given < len(leaf.Positional) {
			for _, v := range valuesOf(leaf.Positional[at.given], sources) {
				offer(v, "")
			}
		}
	}
	return all
}

// position is how far a command line has come.
type position struct {
	node *kong.Node
	// given counts the node's positional arguments.
	given int
	// open is a flag that waits for its value.
	open *kong.Flag
}

func (p *position) pass(word string) {
	if p.open != nil {
		p.open = nil
		return
	}
	if name, isFlag := strings.CutPrefix(word, "-"); isFlag && name != "" {
		name, _, valued := strings.Cut(strings.TrimPrefix(name, "-"), "=")
		if f := p.flag(name); f != nil && !valued && !f.IsBool() {
			p.open = f
		}
		return
	}
	for _, child := range p.node.Children {
		if child.Name == word {
			p.node, p.given = child, 0
			return
		}
	}
	p.given++
}

// leaf is the command itself, or the one that it means without another word.
func (p *position) leaf() *kong.Node {
	if p.node.DefaultCmd != nil {
		return p.node.DefaultCmd
	}
	return p.node
}

func (p *position) flag(name string) *kong.Flag {
	for _, group := range p.leaf().AllFlags(false) {
		for _, f := range group {
			if f.Name == name || f.Short != 0 && string(f.Short) == name {
				return f
			}
		}
	}
	return nil
}

// valuesOf are the values of a flag or an argument, where there is a choice.
func valuesOf(v *kong.Value, sources func() []string) []string {
	if v.Name == "source" {
		return sources()
	}
	var all []string
	for _, one := range v.EnumSlice() {
		if one != "" && one != "auto" {
			all = append(all, one)
		}
	}
	return all
}
