// A line by Loki's client library for Go, with its defaults: protobuf with snappy.
package main

import (
	"log"
	"time"

	"github.com/grafana/loki-client-go/loki"
	"github.com/prometheus/common/model"
)

func main() {
	client, err := loki.NewWithDefault("http://localhost:3100/loki/api/v1/push")
	if err != nil {
		log.Fatal(err)
	}
	labels := model.LabelSet{"app": "from-loki-client-go", "level": "warn"}
	if err := client.Handle(labels, time.Now(), "no oolong left"); err != nil {
		log.Fatal(err)
	}
	client.Stop()
}
