// SPDX-License-Identifier: Apache-2.0

// decode: reads a stream of YAML documents on standard input into the types of the Kubernetes API, strictly: a field
// that is misspelt, stands in the wrong place, has the wrong type or stands there twice is an error. Prints the kind and
// name of each, and behind a pod what Pod Security "restricted" would say of it. What the types do not say, such as the
// range of a value, is for a server to judge.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	documents "k8s.io/apimachinery/pkg/util/yaml"
	security "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

func empty(kind string) (any, error) {
	switch kind {
	case "v1/Pod":
		return &core.Pod{}, nil
	case "v1/ConfigMap":
		return &core.ConfigMap{}, nil
	case "apps/v1/Deployment":
		return &apps.Deployment{}, nil
	case "apps/v1/StatefulSet":
		return &apps.StatefulSet{}, nil
	case "apps/v1/DaemonSet":
		return &apps.DaemonSet{}, nil
	}
	return nil, fmt.Errorf("no such kind here: %s", kind)
}

func decode(document []byte) error {
	var object meta.PartialObjectMetadata
	if err := yaml.Unmarshal(document, &object); err != nil {
		return err
	}
	kind := object.APIVersion + "/" + object.Kind
	into, err := empty(kind)
	if err != nil {
		return err
	}
	if err := yaml.UnmarshalStrict(document, into); err != nil {
		return fmt.Errorf("%s %s: %w", kind, object.Name, err)
	}
	fmt.Println(kind, object.Name)
	if pod, ok := into.(*core.Pod); ok {
		return judge(pod)
	}
	return nil
}

// judge prints what of a pod is not admitted.
func judge(pod *core.Pod) error {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks())
	if err != nil {
		return err
	}
	restricted := security.LevelVersion{Level: security.LevelRestricted, Version: security.LatestVersion()}
	for _, result := range evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec) {
		if !result.Allowed {
			fmt.Println("not admitted:", result.ForbiddenReason+":", result.ForbiddenDetail)
		}
	}
	return nil
}

func main() {
	reader := documents.NewYAMLReader(bufio.NewReader(os.Stdin))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err == nil {
			err = decode(document)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
