#compdef tidings
# Completion of tidings for zsh. Load it with: source <(tidings completion zsh)

_tidings() {
	local -a values
	local value help
	while IFS=$'\t' read -r value help; do
		case $value in
		:files) _files ;;
		:dirs) _files -/ ;;
		*) values+=("${value//:/\\:}:$help") ;;
		esac
	done < <("${words[1]}" complete --shell zsh -- "${(@)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null)
	(( ${#values} )) && _describe tidings values
	return 0
}

if [[ "${funcstack[1]}" == _tidings ]]; then
	_tidings "$@" # zsh has read this file for its first completion
else
	(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i }
	compdef _tidings tidings
fi
