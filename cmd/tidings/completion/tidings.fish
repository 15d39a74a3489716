# Completion of tidings for fish. Load it with: tidings completion fish | source

function __tidings_complete
	set -l words (commandline -opc)
	set -l current (commandline -ct)
	for line in ($words[1] complete --shell fish -- $words[2..-1] $current 2>/dev/null)
		switch $line
			case ':files*'
				__fish_complete_path $current
			case ':dirs*'
				__fish_complete_directories $current
			case '*'
				echo $line
		end
	end
end

complete -c tidings -f -a '(__tidings_complete)'
