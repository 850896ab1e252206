# SPDX-License-Identifier: GPL-2.0
# Builds $(OUTPUT)/$(PROGRAM), static, of the including folder's sources and selftests/lib.
OUTPUT ?= .
LIB := ../lib
CFLAGS ?= -O2 -g
# The guest runs these same functions: no red zone (interrupts use the same stack), no calls the
# compiler makes up, no position independence (they run at their link address).
CFLAGS += -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -Wstrict-prototypes -I$(LIB) -I../../uapi -pthread -static \
	  -fno-pie -fno-stack-protector -fcf-protection=none -mno-red-zone \
	  -fno-tree-loop-distribute-patterns -fno-strict-aliasing -fno-toplevel-reorder -fno-omit-frame-pointer
# Faults are injected around each ioctl (faults.c).
LDFLAGS += -static -no-pie -pthread -Wl,--wrap=ioctl,--wrap=sigaction

SRC := $(sort $(wildcard *.c)) $(wildcard $(LIB)/*.c)
OBJ := $(patsubst %.c,$(OUTPUT)/$(PROGRAM).o/%.o,$(notdir $(SRC)))
vpath %.c . $(LIB)

$(OUTPUT)/$(PROGRAM): $(OBJ)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^

$(OUTPUT)/$(PROGRAM).o/%.o: %.c $(wildcard $(LIB)/*.h) $(wildcard *.h) Makefile $(LIB)/guest.mk
	@mkdir -p $(dir $@)
	$(CC) $(CFLAGS) -c -o $@ $<

clean:
	rm -rf $(OUTPUT)/$(PROGRAM) $(OUTPUT)/$(PROGRAM).o

.PHONY: clean
