package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// configFile is one file while it is read. It is walked as a tree of nodes, because only there lines,
// duplicates, the case of keys and the quotes of values are still to be seen.
type configFile struct {
	*loader
	layer
	name string
}

// readConfigFile reads the file at path. Only a file that nobody named may be missing.
func (l *loader) readConfigFile(path string, given bool) layer {
	f := configFile{loader: l, layer: newLayer(), name: shown(path)}
	if path == "" {
		l.fault("", "--config", complaint{"the name of the file is empty", "write --config FILE"})
		return f.layer
	}
	content, err := l.read(l.locate(path))
	switch {
	case err == nil:
		l.found = true
		f.document(content)
	case given || l.expected || !errors.Is(err, fs.ErrNotExist):
		source := "working directory"
		if given {
			source = "--config"
		}
		l.incomplete = true
		l.fault("", source, unreadable(path, err))
	}
	return f.layer
}

// at returns the source of a node, such as config.yaml:3.
func (f *configFile) at(n *yaml.Node) string { return fmt.Sprintf("%s:%d", f.name, n.Line) }

func (f *configFile) document(content []byte) {
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	var root, more yaml.Node
	if err := decoder.Decode(&root); errors.Is(err, io.EOF) {
		return // nothing but comments
	} else if err != nil {
		f.broken(err)
		return
	}
	if err := decoder.Decode(&more); err == nil {
		f.fault("", f.at(&more), complaint{"a second document begins", "keep one document, without --- between"})
	} else if !errors.Is(err, io.EOF) {
		f.broken(err)
	}
	top := root.Content[0]
	f.members(top, "", func(name *yaml.Node, value *yaml.Node) {
		switch key, known := f.byName[name.Value]; {
		case f.sections[name.Value]:
			f.section(name.Value, value)
		case known:
			section, last, _ := strings.Cut(key.name, ".")
			f.fault(key.name, f.at(name), complaint{"a dotted key is not a path here", "write " + last + ": under " + section + ":"})
		default:
			f.unknown(name, name.Value)
		}
	})
}

func (f *configFile) section(section string, node *yaml.Node) {
	f.members(node, section, func(name, value *yaml.Node) {
		full := section + "." + name.Value
		k, known := f.byName[full]
		if !known {
			f.unknown(name, full)
			return
		}
		if wrong := f.value(k, value); wrong != nil {
			f.fault(k.name, f.at(value), *wrong)
		}
	})
}

// members calls visit for every member of a mapping and notes what is given twice. Letter case does
// not tell keys apart. No mapping at all, as in a section whose lines are all commented out, is fine.
func (f *configFile) members(node *yaml.Node, section string, visit func(name, value *yaml.Node)) {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.ShortTag() == "!!null" {
		return
	}
	if node.Kind != yaml.MappingNode {
		subject := "the file"
		if section != "" {
			subject = "the section"
		}
		f.incomplete = f.incomplete || section == ""
		f.fault(section, f.at(node), complaint{subject + " does not consist of keys and values", "write key: value in each line"})
		return
	}
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name := node.Content[i]
		full := strings.TrimPrefix(section+"."+name.Value, ".")
		first, twice := seen[strings.ToLower(name.Value)]
		switch {
		case twice && first.Value == name.Value:
			f.fault(shown(shorten(full)), f.at(name), complaint{fmt.Sprintf("given again after line %d", first.Line), "keep one of them"})
		case twice:
			f.fault(shown(shorten(full)), f.at(name), complaint{
				fmt.Sprintf("differs only in letter case from %s of line %d", shown(shorten(first.Value)), first.Line), "keep the one in lower case",
			})
		default:
			seen[strings.ToLower(name.Value)] = name
			visit(name, node.Content[i+1])
		}
	}
}

// unknown notes a key that does not exist. What stands under it is not looked at, nor repeated.
func (f *configFile) unknown(name *yaml.Node, full string) {
	mend := f.suggest(full, slices.Sorted(maps.Keys(f.sections))...)
	if lower := strings.ToLower(full); lower != full && (f.sections[lower] || f.byName[lower].name != "") {
		mend = "write it in lower case: " + lower
	}
	f.fault(named(full), f.at(name), complaint{"unknown key", mend})
}

// value judges the value of one key, first by its text and then by its shape, so that the more telling
// fault is the one that is noted.
func (f *configFile) value(k key, node *yaml.Node) *complaint {
	source := f.at(node)
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.ShortTag() == "!!null" {
		return &complaint{"no value is given", "give one, or delete the line to get the default"}
	}
	text, wrong := scalarText(k, node)
	if wrong != nil {
		return wrong
	}
	value, wrong := k.rule.parse(text)
	if wrong == nil {
		wrong = checkShape(k.rule.kind, node)
	}
	if wrong == nil {
		f.values[k.name], f.sources[k.name] = value, source
	}
	return wrong
}

// scalarText returns the text form of a node: that of a list is its elements, separated by commas.
func scalarText(k key, node *yaml.Node) (string, *complaint) {
	switch {
	case k.rule.kind == list && node.Kind != yaml.SequenceNode:
		return "", &complaint{"the value is not a list", "write it as [one, two], or [] for none"}
	case k.rule.kind != list && k.rule.kind != words && node.Kind != yaml.ScalarNode, node.Kind == yaml.MappingNode:
		return "", &complaint{"the value is a list or a section", "give a single value"}
	case node.Kind == yaml.ScalarNode:
		return node.Value, nil
	}
	elements := []string{}
	for _, element := range node.Content {
		if element.Kind != yaml.ScalarNode || strings.Contains(element.Value, ",") || element.Value == "" {
			return "", &complaint{"an element of the list is not one text", "write it as [one, two], or [] for none"}
		}
		elements = append(elements, element.Value)
	}
	return strings.Join(elements, ","), nil
}

// checkShape refuses what YAML takes for another type than the key has.
func checkShape(want kind, node *yaml.Node) *complaint {
	tag := node.ShortTag()
	switch {
	case want == word && tag != "!!str":
		return &complaint{"YAML does not read the value as text", "put it in quotes"}
	case want == number && tag != "!!int", want == boolean && tag != "!!bool":
		return &complaint{"the value is text in YAML", "write it without quotes"}
	}
	return nil
}

// broken notes a file that is not YAML. The parser tells the line where the piece begins that it cannot
// read. Its message is kept, but not the name of an unknown alias, which is a piece of somebody's value.
func (f *configFile) broken(err error) {
	f.incomplete = true
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	source := f.name
	if line, rest, ok := strings.Cut(strings.TrimPrefix(message, "line "), ": "); ok && strings.HasPrefix(message, "line ") {
		source, message = f.name+":"+line, rest
	}
	if strings.HasPrefix(message, "unknown anchor") {
		message = "a value begins with * as if it were an alias"
	}
	f.fault("", source, complaint{"not valid YAML from here on: " + message, "mend the indentation or the quotes"})
}
