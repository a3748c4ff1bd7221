#!/bin/sh
# Checks an evidence archive with a POSIX shell, sha256sum (or shasum) and ssh-keygen
# (OpenSSH 8.2 or newer), and with no program of the archive's makers:
#
#   sh verify.sh                      the archive in whose folder this script lies
#   sh verify.sh ARCHIVE              that archive
#   sh verify.sh ARCHIVE 42:HASH      and head 42 must have this SHA-256: an anchor, as every
#                                     report mail has one in its header X-Intransit-Head
#
# One line per fault; the last line is "OK: ..." (exit 0) or "N faults" (exit 1).
# Nothing is written. Bring your own copy of this script: one that lies beside the evidence
# may have been changed along with it.
export LC_ALL=C
nl='
'
zeros=0000000000000000000000000000000000000000000000000000000000000000
hex='[0-9a-f]\{64\}'
here= # the folder that places are named from, while inside a bag

if command -v sha256sum > /dev/null; then sha256=sha256sum; else sha256='shasum -a 256'; fi
hash() { $sha256 < "$1" | cut -c 1-64; }
fault() { printf 'FAULT %s%s: %s\n' "$here" "$1" "$2"; }
note() { printf 'NOTE %s\n' "$1"; }
line() { sed -n "$2s/^$3: //p" "$1"; }                        # value of line $2, label $3
whole() { [ "$(wc -l < "$1")" -eq "$(grep -c '' "$1")" ]; }   # every line ended by LF

# No links, devices or names that could forge lines of this output. With one of them nothing
# else is looked at, and so everything after this may trust that names are single lines.
check_entries() {
    find . \( ! -type f ! -type d -o -name '*[[:cntrl:]]*' \) -print |
        sed 's/^\(\.\/\)*\(.*\)/FAULT \2: is a link, is no file, or has a name that cannot be/'
}

check_top() {
    ls -A | while IFS= read -r name; do
        case $name in
            bags | chain) { [ -d "$name" ] && [ -r "$name" ]; } || fault "$name" 'is not a folder to look into' ;;
            README-AUDITORS.txt | verify.sh | allowed_signers | EXPORT.txt)
                [ -f "$name" ] || fault "$name" 'is not a file' ;;
            *) fault "$name" 'added, or unfinished' ;;
        esac
    done
    if [ -f allowed_signers ]; then
        form='intransit-archive namespaces="intransit-archive-v1" ssh-ed25519 [A-Za-z0-9+/]\{68\}'
        if [ "$(sed "/^$form\$/d" allowed_signers)" ] || ! whole allowed_signers ||
            [ "$(sort allowed_signers | uniq -d)" ] ||
            [ "$(printf '%s\n' "$keys" | grep -c SHA256:)" -ne "$(wc -l < allowed_signers)" ]
        then fault allowed_signers 'is not a list of keys of this program'; fi
    fi
}

# Inside a bag; $1 is the SHA-256 of tagmanifest-sha256.txt that the head names.
check_bag() {
    for name in bag-info.txt bagit.txt manifest-sha256.txt tagmanifest-sha256.txt; do
        [ -f "$name" ] || fault "$name" missing
    done
    [ -d data ] || fault data missing
    ls -A | while IFS= read -r name; do
        case $name in
            data | bag-info.txt | bagit.txt | manifest-sha256.txt | tagmanifest-sha256.txt) ;;
            *) fault "$name" added ;;
        esac
    done
    [ "$(hash tagmanifest-sha256.txt)" = "$1" ] ||
        fault tagmanifest-sha256.txt 'is not the one that the head names'
    $sha256 bagit.txt bag-info.txt manifest-sha256.txt | cmp -s - tagmanifest-sha256.txt ||
        fault tagmanifest-sha256.txt 'is not the list of the three files that describe the bag'
    printf 'BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n' | cmp -s - bagit.txt ||
        fault bagit.txt 'is not the one of BagIt 1.0'
    oxum=$(find data -type f -exec wc -c {} + |
        awk '$2 ~ /^data\// { octets += $1; files++ } END { printf "%.0f.%d", octets, files }')
    [ "$(sed -n '/^Payload-Oxum:/p' bag-info.txt)" = "Payload-Oxum: $oxum" ] ||
        fault bag-info.txt "does not say Payload-Oxum: $oxum once"

    # The manifest must be what sha256sum prints of all files, sorted; a backslash in a name
    # makes sha256sum escape the line.
    sums=$(find data -type f -exec $sha256 {} + |
        sed '/^\\/{s/^\\//;s/\\\\/\\/g;}' | sort)
    printf '%s' "${sums:+$sums$nl}" | cmp -s - manifest-sha256.txt && return
    fault manifest-sha256.txt 'is not the sorted list of the files under data'
    printf '%s\n' "$sums" | awk -v here="$here" '
        function tell(name, what) { print "FAULT " here name ": " what }
        FNR == 1 { list++ }
        { name = substr($0, 67); sum = substr($0, 1, 64) }
        list == 1 { listed[name] = sum; next }
        !(name in listed) { if (name != "") tell(name, "added"); next }
        listed[name] != sum { tell(name, "changed") }
        { delete listed[name] }
        END { for (name in listed) tell(name, "missing") }' manifest-sha256.txt -
}

# A head is nine lines of which five are known beforehand: every line that is not as it must
# be is printed, and there must be nine.
check_head() {
    sed -e '1{/^intransit-archive v1$/d;}' -e "2{/^seq: $n\$/d;}" \
        -e "3{/^bag: $id-[A-Za-z0-9_-]\{0,192\}\$/d;}" -e '4{/^run: [!-~][!-~]*$/d;}' \
        -e '5{/^time: [0-9]\{4\}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z$/d;}' \
        -e "6{/^tagmanifest-sha256: $hex\$/d;}" \
        -e "7{/^previous-head-sha256: $previous\$/d;}" \
        -e "8{/^previous-sig-sha256: $previous_sig\$/d;}" \
        -e '9{/^key: unsigned$/d;}' -e '9{/^key: SHA256:[!-~]*$/d;}' "$head" |
        while IFS= read -r wrong; do
            fault "$head" "not in the order of the chain, or no head: $wrong"
        done
    [ "$(wc -l < "$head")" -eq 9 ] || fault "$head" 'is no head: it has not nine lines'
}

# The signature must be by the key that the head names, and no key may come back after a newer
# one: $place is the key's place in allowed_signers, 0 for unsigned.
check_signature() {
    if [ "$key" = unsigned ]; then
        place=0
        [ ! -e "$head.sig" ] || fault "$head.sig" 'added: the head says that it is unsigned'
    else
        place=$(printf '%s\n' "$keys" | grep -nxF -e "$key" | cut -d : -f 1)
        said=$(ssh-keygen -Y verify -f allowed_signers -I intransit-archive \
            -n intransit-archive-v1 -s "$head.sig" < "$head" 2> /dev/null)
        case $said in
            'Good "intransit-archive-v1" signature '*" key $key") ;;
            *) fault "$head.sig" "signature is missing, or not by $key" ;;
        esac
        # No blanks or words around it, which ssh-keygen takes and no hash would cover.
        { printf '%s\n' '-----BEGIN SSH SIGNATURE-----'
          sed '1d;$d' "$head.sig" | tr -cd 'A-Za-z0-9+/=' | fold -w 70
          printf '\n%s\n' '-----END SSH SIGNATURE-----'
        } 2> /dev/null | cmp -s - "$head.sig" || fault "$head.sig" 'is not the bare signature'
    fi
    [ "${place:-0}" -ge "$newest_key" ] || fault "$head" "$key after a newer key"
}

# A bag that is away: named as left out of this copy, or removed as a later sound bag says.
check_missing() {
    [ ! -f EXPORT.txt ] || grep -qxF "bag: $bag" EXPORT.txt || { echo left-out; return; }
    id=${bag%%-*}
    text=$(printf '%s\n' 'intransit-tombstone v1' "$(sed -n 2,3p "chain/$id.head")" \
        "$(sed -n 6p "chain/$id.head")")
    for holder in $sound; do
        file=bags/$holder/data/tombstones/$id.tombstone
        if [ "${holder%%-*}" -gt "$id" ] && [ -f "$file" ] && [ ! -f EXPORT.txt ] &&
            [ "$(sed -e '5{/^reason: ./d;}' -e '6{/^by: ./d;}' -e '7{/^time: ./d;}' "$file")" = "$text" ] &&
            [ "$(wc -l < "$file")" -eq 7 ]
        then note "bags/$bag was removed, says $file"; return; fi
    done
    fault "bags/$bag" missing
}

check() {
    keys=$(sed 's/.* ssh-/ssh-/' allowed_signers 2> /dev/null | ssh-keygen -l -f - 2> /dev/null | cut -d ' ' -f 2)
    check_top
    n=0 count=0 newest_key=0 previous=$zeros previous_sig=$zeros named=/ sound= away=
    for id in $(ls chain 2> /dev/null | sed -n 's/^\([0-9]\{6,\}\)\.head$/\1/p' | sort -n); do
        n=$((n + 1)) head=chain/$id.head
        if [ "$id" != "$(printf %06d $n)" ]; then
            fault "$(printf chain/%06d.head $n)" missing
            n=$(expr "$id" + 0)
        fi
        key=$(line "$head" 9 key) tag=$(line "$head" 6 tagmanifest-sha256)
        bag=$(line "$head" 3 bag | sed -n "/^$id-[A-Za-z0-9_-]*\$/p")
        check_head
        check_signature
        newest_key=${place:-$newest_key}
        previous=$(hash "$head") previous_sig=$zeros
        [ ! -f "$head.sig" ] || previous_sig=$(hash "$head.sig")
        for stamp in "$head.tsq" "$head.tsr"; do
            [ ! -f "$stamp" ] || od -A n -v -t x1 "$stamp" | tr -d '\n' | tr -s ' ' |
                grep -qF "$(echo "$previous" | sed 's/../ &/g')" ||
                fault "$stamp" 'is for another head'
        done
        [ "$bag" ] || continue
        named=$named$bag/
        if [ -d "bags/$bag" ]; then
            count=$((count + 1)) here=bags/$bag/
            found=$(cd "bags/$bag" && check_bag "$tag")
            here=
            if [ "$found" ]; then printf '%s\n' "$found"; else sound="$sound $bag"; fi
        else
            away="$away $bag"
        fi
    done

    # What no head knows. (A name holds no slash, so none can pass for two.)
    ls -A chain 2> /dev/null | sed '/^[0-9]\{6,\}\.head$/d' | while IFS= read -r name; do
        case $name in
            *.head.sig | *.head.tsq | *.head.tsr) [ -f "chain/$name" ] && [ -f "chain/${name%.*}" ] && continue ;;
        esac
        fault "chain/$name" 'added, unfinished, or has no head'
    done
    ls -A bags 2> /dev/null | while IFS= read -r name; do
        case $named in *"/$name/"*) ;; *) fault "bags/$name" 'added, unfinished, or has no head' ;; esac
    done
    if [ -f EXPORT.txt ]; then
        { [ "$(sed q EXPORT.txt)" = 'intransit-export v1' ] && whole EXPORT.txt; } ||
            fault EXPORT.txt 'is not a list of bags of this program'
        sed 1d EXPORT.txt | while IFS= read -r name; do
            case $named in *"/${name#bag: }/"*) [ "${name#bag: }" != "$name" ] && continue ;; esac
            fault EXPORT.txt "names a bag that no head knows: $name"
        done
    fi
    for bag in $away; do check_missing; done |
        awk '/^left-out$/ { n++; next } { print }
             END { if (n) print "NOTE " n " bags are not part of this copy; nothing is said of them" }'

    if [ "$anchor" ]; then
        known=${anchor% *} file=$(printf chain/%06d.head "${anchor% *}")
        if [ "$known" -gt "$n" ]; then fault "$file" "truncated: the newest here is $n"
        elif [ "$(hash "$file")" != "${anchor#* }" ]; then fault "$file" 'rewritten'; fi
        [ "$known" -ge "$n" ] || note "the anchor is older than the newest head, $n"
    else
        note 'no anchor was given: that the newest heads were not cut off is not proven'
    fi
    if [ $newest_key -eq 0 ]; then
        note '!!! NOT SIGNED: whoever could write to this archive could have made all of it'
    else
        printf '%s\n' "$keys" | sed 's/^/NOTE keys, oldest first; ask whether they are right: /'
    fi
    [ $n -gt 0 ] || { note 'no head is here: nothing is proven'; echo 'OK: 0 bags, no head'; return; }
    printf 'OK: %d bags, newest head %06d sha256:%s\n' $count $n "$previous"
}

anchor=$(printf '%s\n' "$2" | sed -n "s/^0*\([1-9][0-9]\{0,8\}\)[: ]\(sha256:\)\{0,1\}\($hex\)\$/\1 \3/p")
if [ "$2" ] && [ -z "$anchor" ]; then echo "not SEQ:HASH: $2" >&2; exit 2; fi
CDPATH= cd -- "${1:-$(dirname -- "$0")}" || exit 2
for tool in ssh-keygen find awk cmp od fold ${sha256%% *}; do
    command -v "$tool" > /dev/null || { echo "$tool is needed" >&2; exit 2; }
done

# Faults are counted at the end of the pipe; without an OK line the check did not come to its end.
{ strange=$(check_entries)
  if [ "$strange" ]; then printf '%s\n' "$strange"; else check; fi
} | tr -d '\000-\011\013-\037\177' | awk '/^OK: / { ok = $0; next }
    { print } /^FAULT / { faults++ }
    END { if (faults) print faults " faults"; else if (ok) print ok; else print "not finished"
          exit faults || !ok }'
