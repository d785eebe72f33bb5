// Drives clients of the npm package `mqtt`: orders on stdin, reports on stdout, one JSON object a line.
'use strict'

const fs = require('node:fs')
const readline = require('node:readline')
const mqtt = require('mqtt')

const clients = new Map()

function report (client, name, content) {
  process.stdout.write(JSON.stringify({ client, report: name, ...content }) + '\n')
}

class Driven {
  constructor (clientId, order) {
    this.clientId = clientId
    this.isEnding = false
    const keepsSession = order.session_expiry_s > 0
    const [certificate, key] = order.identity || []
    const read = path => path && fs.readFileSync(path)
    const options = {
      protocol: order.url.split(':')[0],
      host: order.host,
      port: order.port,
      path: '/mqtt',
      ca: read(order.authority),
      cert: read(certificate),
      key: read(key),
      clientId,
      protocolVersion: order.version,
      protocolId: order.version === 3 ? 'MQIsdp' : 'MQTT',
      clean: !keepsSession,
      reconnectPeriod: 0,
      resubscribe: false
    }
    if (order.version === 5) options.properties = { sessionExpiryInterval: order.session_expiry_s }
    if (order.will) {
      const { topic_name: topic, payload, qos, retain } = order.will
      options.will = { topic, payload, qos, retain }
    }
    this.client = mqtt.connect(options)
    this.client.on('connect', connack =>
      this.report('connected', { session_present: connack.sessionPresent }))
    this.client.on('message', (topicName, payload, { qos, retain }) =>
      this.report('message', { topic_name: topicName, payload: payload.toString(), qos, retain }))
    this.client.on('error', error => this.fail(error))
    this.client.on('close', () => {
      if (!this.isEnding) this.fail(new Error('the connection was closed'))
    })
  }

  report (name, content) {
    report(this.clientId, name, content)
  }

  fail (error) {
    this.report('failed', { reason: String(error) })
  }

  obey (order) {
    const answer = succeed => (error, result) => error ? this.fail(error) : succeed(result)
    switch (order.order) {
      case 'subscribe':
        this.client.subscribe(order.topic_filter, { qos: order.qos }, answer(grants =>
          this.report('subscribed', { granted: grants[0].qos })))
        break
      case 'publish': {
        const { qos, retain } = order
        this.client.publish(order.topic_name, order.payload, { qos, retain }, answer(() =>
          this.report('done')))
        break
      }
      case 'disconnect':
        this.isEnding = true
        this.client.end(false, answer(() => this.report('done')))
        break
      case 'cut':
        this.isEnding = true
        this.client.stream.once('close', () => this.report('done'))
        this.client.stream.destroy()
        break
      default:
        throw new Error(order.order)
    }
  }
}

readline.createInterface({ input: process.stdin }).on('line', line => {
  const order = JSON.parse(line)
  if (order.order === 'connect') {
    clients.set(order.client, new Driven(order.client, order))
  } else {
    clients.get(order.client).obey(order)
  }
}).on('close', () => process.exit(0))
