#!/bin/sh
# Makes the password file from the environment, then becomes Mosquitto. The password is in no argument and no log.
set -eu
umask 077
: "${MQTT_PASSWORD:?is not set}"
mkdir -p /mosquitto/data /tmp/home
printf 'conche:%s\n' "$MQTT_PASSWORD" >/tmp/passwords
mosquitto_passwd -U /tmp/passwords
printf -- '-u conche\n-P %s\n' "$MQTT_PASSWORD" >/tmp/home/mosquitto_sub
[ "$(id -u)" -ne 0 ] || chown -R mosquitto:mosquitto /tmp/passwords /mosquitto/data
unset MQTT_PASSWORD
exec mosquitto -c /mosquitto/config/mosquitto.conf
