package config

import (
	"fmt"
	"path/filepath"
)

// Unsupported returns what the configuration asks for that this version does not
// do: `run` refuses it.
func (c *Config) Unsupported() []error {
	var errs []error
	refuse := func(o *Output, format string, args ...any) {
		errs = append(errs, fmt.Errorf("output %s: "+format+" is not in this version", append([]any{o.Name}, args...)...))
	}
	for i := range c.Outputs {
		o := &c.Outputs[i]
		if o.KeepSize != 0 {
			refuse(o, "keep_size")
		}
		switch extension := filepath.Ext(o.Path); extension {
		case ".zst", ".gz":
			refuse(o, "path %s, a compressed file,", o.Path)
		}
	}
	return errs
}
