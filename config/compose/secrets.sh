#!/bin/sh
# Prints a copy of .env.example in which every empty value is a fresh random one: secrets.sh .env.example > .env
set -eu
random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
while IFS= read -r line || [ -n "$line" ]; do
    case $line in
    [A-Z]*=) echo "$line$(random)" ;;
    *) echo "$line" ;;
    esac
done <"$1"
